"""Keys: what changes with a step's inputs, and what does not."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from vmforge.pipeline.layers.chain import Step, changes, link, step_name

_TEXTS = st.text("abc", min_size=1, max_size=3)
_STEPS = st.lists(
    st.builds(Step, _TEXTS, st.sampled_from(["shell", "file"]), st.dictionaries(_TEXTS, _TEXTS, max_size=3)),
    min_size=1,
    max_size=6,
)


def keys(steps: Sequence[Step]) -> list[str]:
    return [each.key for each in link(steps)]


@given(_STEPS, st.data())
def test_a_change_reaches_the_steps_from_there_on_and_no_other(
    steps: list[Step], data: st.DataObject
) -> None:
    at = data.draw(st.integers(0, len(steps) - 1))
    old = steps[at]
    changed = data.draw(
        st.sampled_from(
            [
                Step(old.name, old.type, {**old.inputs, "new": "1"}),
                Step(
                    old.name,
                    old.type,
                    {**old.inputs, **{name: value + "x" for name, value in old.inputs.items()}},
                ),
                Step(old.name, f"other-{old.type}", old.inputs),
            ]
        ).filter(lambda step: step != old)
    )
    before, after = keys(steps), keys([*steps[:at], changed, *steps[at + 1 :]])
    assert before[:at] == after[:at]
    assert all(one != other for one, other in zip(before[at:], after[at:], strict=True))


@given(_STEPS)
def test_the_order_of_inputs_and_the_names_of_steps_do_not_count(steps: list[Step]) -> None:
    renamed = [Step("other", step.type, dict(reversed(step.inputs.items()))) for step in steps]
    assert keys(steps) == keys(renamed)


@given(_STEPS)
def test_no_two_steps_of_a_chain_share_a_key(steps: list[Step]) -> None:
    assert len(set(keys(steps))) == len(steps)


@given(_STEPS, st.data())
def test_no_keys_from_the_first_uncached_step_on(steps: list[Step], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(steps) - 1))
    uncached = Step(steps[at].name, steps[at].type, steps[at].inputs, uncached="it may do anything")
    assert keys([*steps[:at], uncached, *steps[at + 1 :]]) == keys(steps)[:at] + [""] * (len(steps) - at)


def test_names() -> None:
    assert step_name(2, "shell", "") == "provisioner 2 `shell`"
    assert step_name(2, "shell", "shell") == "provisioner 2 `shell`"
    assert step_name(3, "file", "the keys") == "provisioner 3 `file` `the keys`"


def test_changes_in_words() -> None:
    assert changes({"a": "1"}, {"a": "1"}) == ""
    assert changes({"a": "1", "b": "1"}, {"a": "2", "c": "1"}) == "a changed, c is new, b is gone"
    assert changes({}, dict.fromkeys("abcde", "1")) == "a is new, b is new, c is new and 2 more"
