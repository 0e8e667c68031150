"""How people say that a drawer or a window is to be open or closed: phrasings made of parts.

A few sentences learnt by heart teach no parts: of a long row in other sentences the planner read
single clauses wrongly. What is held out are whole sentences; their words occur in others.
"""

from agent.worlds.scene.phrases import Phrases

_STATES = {"open": ("open",), "closed": ("closed", "shut")}
_VERBS = {"open": ("open",), "closed": ("close", "shut")}
_GERUNDS = {"open": "opening", "closed": "closing"}
_HELD_OUT = {
    "open": ["pull the {d} open", "make sure the {d} is open"],
    "closed": ["push the {d} shut", "make sure the {d} is closed"],
}
_TO_A_STATE = (
    *(
        f"{verb} the DOOR STATE"
        for verb in ["slide", "push", "pull", "move", "bring", "get", "have", "make"]
    ),
    "let the DOOR be STATE",
    "see that the DOOR is STATE",
    "see to it that the DOOR is STATE",
    "ensure the DOOR is STATE",
    "ensure that the DOOR is STATE",
    "check that the DOOR is STATE",
    "be sure that the DOOR is STATE",
    "make sure that the DOOR gets STATE",
    "move the DOOR until it is STATE",
    "the DOOR is to be STATE",
    "the DOOR must be STATE",
    "the DOOR should be STATE",
    "the DOOR has to be STATE",
)
_TO_AN_ACT = (
    *("VERB the DOOR",) * 3,
    "be sure to VERB the DOOR",
    "make sure to VERB the DOOR",
    "go and VERB the DOOR",
    "you are to VERB the DOOR",
    "what comes now is to VERB the DOOR",
)


def _trained(state: str) -> list[str]:
    said = [each.replace("STATE", word) for each in _TO_A_STATE for word in _STATES[state]]
    said += [each.replace("VERB", verb) for each in _TO_AN_ACT for verb in _VERBS[state]]
    said.append(f"the DOOR wants {_GERUNDS[state]}")
    doors = [each.replace("DOOR", "{d}") for each in said]
    return [each for each in doors if each not in _HELD_OUT[state]]


# First list trains, second tests.
SLIDES: dict[str, Phrases] = {state: (_trained(state), _HELD_OUT[state]) for state in _STATES}
