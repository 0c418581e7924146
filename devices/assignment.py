"""An assignment: the activation of every site, in site order, which identifies a mixed model."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from devices import activations
from devices.errors import BadRequest

_SCHEMA = "actnas.assignment/1"


@dataclass(frozen=True)
class Assignment:
    """Which activation runs at each site. A value: equal content is equal, hashable, never changed.

    Raises:
        BadRequest: a site is repeated, or an activation is not in the catalog.
    """

    choices: tuple[tuple[str, str], ...]

    def __post_init__(self) -> None:
        repeated = [site for site, n in Counter(self.sites).items() if n > 1]
        if repeated:
            raise BadRequest(f"assignment names site {repeated[0]!r} twice; each site goes once")
        for _, activation in self.choices:
            activations.get(activation)

    @classmethod
    def uniform(cls, sites: Iterable[str], activation: str) -> Assignment:
        """The same activation at every site."""
        return cls(tuple((site, activation) for site in sites))

    @classmethod
    def from_pairs(cls, pairs: Iterable[Iterable[str]]) -> Assignment:
        """From (site, activation) pairs in site order, as JSON documents hold them."""
        return cls(tuple((site, activation) for site, activation in pairs))

    @classmethod
    def from_mapping(cls, mapping: Mapping[str, str]) -> Assignment:
        """From ``{site: activation}``, in the mapping's own order."""
        return cls(tuple(mapping.items()))

    @classmethod
    def from_json(cls, text: str) -> Assignment:
        """The assignment that :meth:`to_json` wrote.

        Raises:
            BadRequest: not JSON, another schema, or not a list of [site, activation] pairs.
        """
        try:
            document = json.loads(text)
        except ValueError as error:
            raise BadRequest(f"assignment is not JSON: {error}") from None
        if not isinstance(document, dict) or document.get("schema") != _SCHEMA:
            raise BadRequest(f'assignment has no "schema": "{_SCHEMA}"')
        pairs = document.get("choices")
        if not isinstance(pairs, list) or not all(
            isinstance(pair, list) and len(pair) == 2 and all(isinstance(x, str) for x in pair)
            for pair in pairs
        ):
            raise BadRequest('assignment "choices" must be a list of [site, activation] pairs')
        return cls.from_pairs(pairs)

    def to_json(self) -> str:
        """A JSON document that other tools can read (docs/schemas/assignment.schema.json)."""
        return json.dumps(
            {"schema": _SCHEMA, "hash": self.hash, "choices": [list(pair) for pair in self.choices]}
        )

    @property
    def sites(self) -> tuple[str, ...]:
        return tuple(site for site, _ in self.choices)

    @property
    def activations(self) -> tuple[str, ...]:
        return tuple(activation for _, activation in self.choices)

    @cached_property
    def mapping(self) -> dict[str, str]:
        return dict(self.choices)

    @cached_property
    def hash(self) -> str:
        """Twelve hex digits over the sites, their order and their activations."""
        text = json.dumps([list(pair) for pair in self.choices], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:12]

    @property
    def uniform_activation(self) -> str | None:
        """The one activation that every site runs, or None for a mix."""
        kinds = set(self.activations)
        return next(iter(kinds)) if len(kinds) == 1 else None

    def counts(self) -> dict[str, int]:
        """How many sites run each activation, most used first."""
        return dict(Counter(self.activations).most_common())

    def replace(self, changes: Mapping[str, str]) -> Assignment:
        """A copy in which the named sites run another activation.

        Raises:
            BadRequest: a site is not part of this assignment.
        """
        unknown = set(changes) - set(self.sites)
        if unknown:
            raise BadRequest(f"no site {sorted(unknown)[0]!r}; sites: {', '.join(self.sites)}")
        return Assignment(tuple((site, changes.get(site, old)) for site, old in self.choices))

    def __getitem__(self, site: str) -> str:
        return self.mapping[site]

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.choices)

    def __len__(self) -> int:
        return len(self.choices)
