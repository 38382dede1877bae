from __future__ import annotations

import pytest
from toys import Corridor, Walker

from vla_bench.construct import construct
from vla_bench.errors import ConfigError


def test_nested_targets_are_built_first() -> None:
    built = construct(
        {"_target_": "builtins.dict", "policy": {"_target_": "toys.Walker", "speed": 2.0}}
    )
    assert isinstance(built["policy"], Walker)


def test_the_arguments_reach_the_constructor() -> None:
    env = construct({"_target_": "toys.Corridor", "n_episodes": 3})
    assert isinstance(env, Corridor)
    assert len(env.episodes()) == 3


def test_a_target_that_does_not_exist_is_named() -> None:
    with pytest.raises(ConfigError, match=r"_target_ 'toys\.Nobody' cannot be imported"):
        construct({"_target_": "toys.Nobody"})


def test_an_argument_that_the_constructor_lacks_is_named() -> None:
    with pytest.raises(ConfigError, match=r"toys\.Corridor refused its config: .*'n_episode'"):
        construct({"_target_": "toys.Corridor", "n_episode": 3})


def test_a_type_error_inside_the_constructor_is_not_hidden() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        construct({"_target_": "toys.explode"})
