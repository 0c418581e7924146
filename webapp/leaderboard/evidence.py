"""What an entry's page shows beside the entry's own columns."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from django.contrib.auth.models import AnonymousUser, User
from django.urls import reverse
from django.utils.safestring import SafeString

from devices.targets import Target, get
from webapp.leaderboard.models import BASELINE, Entry
from webapp.leaderboard.rows import arm_title, site_order
from webapp.searches.swaps import Sensitivity, Swaps, in_order
from webapp.ui import svg
from webapp.ui.svg.network import DrawnSite

# End of a download's name -> what it is.
_ROLES = {
    "assignment.json": "the assignment",
    ".pt": "state dict",
    ".yaml": "model definition",
    ".onnx": "another export, not measured",
    ".tflite": "another export, not measured",
}


@dataclass(frozen=True)
class ArmRow:
    """One arm of the search, as result.json holds it."""

    document: dict[str, Any]
    chosen: bool
    ratio_scale: tuple[float, float]
    map_scale: tuple[float, float]
    reference: float | None

    @property
    def title(self) -> str:
        return arm_title(str(self.document["name"]))

    @property
    def meaning(self) -> str:
        head = str(self.document["name"]).partition(":")[0]
        return {
            "uploaded": "the file as it came; decides nothing",
            "reference": "original activations, trained as every arm is",
            "uniform": "one activation at every site",
            "mix": "the search's choice, site by site",
        }.get(head, "")

    @property
    def activations(self) -> list[str]:
        choices: list[list[str]] = self.document["assignment"]["choices"]
        return [activation for _, activation in choices]

    @property
    def ratio_drawing(self) -> SafeString | str:
        value = self.document["latency_ratio"]
        if value is None:
            return ""
        low, high = self.document["ratio_ci"] or (value, value)
        return svg.interval(
            value,
            low=low,
            high=high,
            scale=self.ratio_scale,
            reference=1.0,
            label="Latency ratio",
        )

    @property
    def map_drawing(self) -> SafeString | str:
        value, interval = self.document["map50_95"], self.document["map50_95_ci"]
        if value is None or interval is None:
            return ""
        return svg.interval(
            value,
            low=interval[0],
            high=interval[1],
            scale=self.map_scale,
            reference=self.reference,
            label="mAP50-95",
        )


@dataclass(frozen=True)
class Evidence:
    """Arms, drawings, samples, environment and files of one entry, for ``reader``."""

    entry: Entry
    reader: User | AnonymousUser = field(default_factory=AnonymousUser)

    @property
    def target(self) -> Target:
        return get(self.entry.target)

    @cached_property
    def sites(self) -> list[DrawnSite]:
        shapes = {site["path"]: site.get("shape") for site in self.entry.detector.sites}
        drawn = []
        for path in site_order(self.entry):
            shape = shapes.get(path)
            drawn.append(
                DrawnSite(
                    path=path,
                    activation=self.entry.assignment[path],
                    shape=(shape[0], shape[1], shape[2]) if shape else None,
                )
            )
        return drawn

    @property
    def activations(self) -> list[str]:
        return [site.activation for site in self.sites]

    @property
    def counts(self) -> list[tuple[str, str, int]]:
        return svg.counts(self.activations)

    @property
    def strip(self) -> SafeString:
        return svg.strip(self.sites)

    @cached_property
    def candidates(self) -> list[str]:
        """The search's activations, and the originals that the map must show, in catalog order."""
        request = self.entry.search.request
        original = self.entry.detector.original.values()
        return in_order([*request.activations, *self.activations, *original])

    @cached_property
    def swaps(self) -> Swaps:
        """What one swap costs and loses."""
        return Swaps(self.entry.search.result or {}, self.entry.detector.original)

    @property
    def sensitivity(self) -> Sensitivity | None:
        return self.swaps.sensitivity

    @property
    def site_map(self) -> SafeString:
        return svg.site_map(self.sites, candidates=self.candidates, costs=self.swaps.costs)

    @property
    def cost_map(self) -> SafeString | str:
        """The cost of every choice as a heat map; "" without a cost table."""
        return self.swaps.cost_map(self.sites, self.candidates)

    @property
    def sensitivity_map(self) -> SafeString | str:
        """What every swap loses as a heat map; "" where no estimator said."""
        return self.swaps.sensitivity_map(self.sites, self.candidates)

    @property
    def site_table(self) -> list[dict[str, Any]]:
        """The maps as a table: what a screen reader or a spreadsheet wants."""
        signal = self.sensitivity
        return [
            {
                "site": site,
                "original": self.entry.detector.original.get(site.path, ""),
                "cost": self.swaps.costs.get((site.path, site.activation)),
                "loses": signal.values.get((site.path, site.activation)) if signal else None,
            }
            for site in self.sites
        ]

    @cached_property
    def arms(self) -> list[ArmRow]:
        documents = self.entry.arms
        ratios = [1.0]
        maps: list[float] = []
        reference = None
        for arm in documents:
            if arm["latency_ratio"] is not None:
                ratios += arm["ratio_ci"] or [arm["latency_ratio"]]
            if arm["name"] != "uploaded":  # often far off, and decides nothing: not on the scale
                maps += arm["map50_95_ci"] or []
            if arm["name"] == "reference":
                reference = arm["map50_95"]
        return [
            ArmRow(
                document=arm,
                chosen=arm["name"] == self.entry.arm,
                ratio_scale=_ends(ratios),
                map_scale=_ends(maps),
                reference=reference,
            )
            for arm in documents
        ]

    @property
    def lease(self) -> str | None:
        """Id of the job that measured this entry's file."""
        mine = [arm for arm in self.entry.arms if arm["name"] == self.entry.arm]
        return mine[0]["lease"] if mine else None

    @property
    def reasons(self) -> list[str]:
        """The verdict's reasons, the most important first."""
        found: list[str] = (self.entry.search.result or {}).get("verdict", {}).get("reasons", [])
        return found

    @property
    def recommended(self) -> str:
        """Title of the arm that the search recommends, where that is not this entry's."""
        chosen = (self.entry.search.result or {}).get("verdict", {}).get("chosen")
        return "" if chosen is None or self.entry.is_choice else arm_title(chosen)

    @property
    def samples(self) -> SafeString | str:
        """The entry's samples under those of its baseline; "" where latency is modelled."""
        found = (self.entry.search.result or {}).get("arms", [])
        arms = {arm["name"]: arm["details"].get("samples_ms") for arm in found}
        baseline, mine = arms.get(BASELINE), arms.get(self.entry.arm)
        if not baseline or not mine:
            return ""
        rows = [("Baseline", _flatten(baseline))]
        if self.entry.arm != BASELINE:
            rows.append(("This model", _flatten(mine)))
        return svg.distribution(rows)

    @property
    def _provenance(self) -> dict[str, Any] | None:
        leases = (self.entry.search.result or {}).get("provenance", {}).get("leases", {})
        found: dict[str, Any] | None = leases.get(self.lease)
        return found

    @property
    def started(self) -> datetime | None:
        """When the lease began."""
        found = self._provenance
        return datetime.fromisoformat(found["started_at"]) if found else None

    @property
    def environment(self) -> list[tuple[str, str]]:
        """The lease's provenance as (name, value) pairs, nested names joined."""
        found = self._provenance
        if found is None:
            return []
        pairs = [("harness", str(found["harness"]))]
        for group in ("machine", "versions"):
            pairs += _flat(found[group])
        return [(name, value) for name, value in pairs if value]

    @property
    def files(self) -> list[dict[str, Any]]:
        """Downloads: name, address, size in bytes, whether it is the measured file."""
        found = []
        sizes = self.entry.search.folder.sizes(self.entry.files.values())
        for name, relative in self.entry.files.items():
            found.append(
                {
                    "name": name,
                    "url": reverse("leaderboard:download", args=[self.entry.pk, name]),
                    "size": sizes.get(relative),
                    "role": self._role(name, relative),
                    "measured": relative == self.entry.file,
                }
            )
        return found

    def _role(self, name: str, relative: str) -> str:
        """What a download is, in words."""
        if relative == self.entry.file:
            return "the measured file"
        if name == self.entry.baseline_download:
            return "the baseline that it was measured beside"
        for ending, words in _ROLES.items():
            if name.endswith(ending):
                return words
        return ""

    @property
    def command(self) -> str:
        """The actnas command line that swaps the upload's activations and measures that."""
        assignment = next(name for name in self.entry.files if name.endswith("assignment.json"))
        upload = self.entry.detector
        name = upload.file_name if upload.is_visible_to(self.reader) else f"model.{upload.kind}"
        # A name that begins with a dash would be taken for an option.
        words = ["actnas", "measure", f"./{name}" if name.startswith("-") else name]
        words += ["--target", self.entry.target, "--assignment", assignment]
        words += ["--imgsz", str(self.entry.imgsz)]
        if self.target.needs_calibration:
            words += ["--data", "data.yaml"]
        return shlex.join(words)


def _flatten(blocks: list[list[float]]) -> list[float]:
    return [sample for block in blocks for sample in block]


def _flat(document: dict[str, Any], head: str = "") -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for key, value in document.items():
        name = f"{head}{key}".replace("_", " ")
        if isinstance(value, dict):
            pairs += _flat(value, f"{name}: ")
        elif isinstance(value, list):
            pairs.append((name, ", ".join(str(item) for item in value)))
        elif value is not None and value != "":
            pairs.append((name, f"{value:.4g}" if isinstance(value, float) else str(value)))
    return pairs


def _ends(values: list[float]) -> tuple[float, float]:
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    air = 0.06 * ((high - low) or 1.0)
    return low - air, high + air
