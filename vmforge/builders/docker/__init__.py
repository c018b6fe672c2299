"""Docker and podman: builds in containers over the engine's API, the communicator `docker`, and what is done
with the images. It is written as a plugin would be: of vmforge it knows the sdk and the errors alone."""
