"""The guest agent: runs commands and moves files through QEMU's agent, with no network at all."""

from vmforge.communicators.agent.connector import AgentConfig, AgentConnector

__all__ = ["AgentConfig", "AgentConnector"]
