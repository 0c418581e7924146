"""The pool: hosts, the devices on them, how quiet they are, and who said what of their health."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import Q
from django.utils import timezone

from devices.confinement import cpu_numbers
from devices.errors import BadRequest
from devices.transports.engines import LOCAL, Engine
from webapp.jobs.choices import State
from webapp.jobs.models import Job
from webapp.pool.choices import SERVING, Cause, DeviceState, Health, Transport

LEAST_MEMORY_MIB = 512  # of a container; a runtime alone takes half of it
AGENT_SILENCE = timedelta(seconds=30)


class HostQuerySet(models.QuerySet["Host"]):
    def lease(self, host_id: int, *, job: Job) -> bool:
        """Whether ``job`` now holds the host: it was free, or its holder does not run any more.

        That a worker died is for the sweep of jobs to find: no clock has a say here.
        """
        now = timezone.now()
        free = Q(leased_by__isnull=True) | Q(leased_by=job)
        held = self.filter(pk=host_id, leased_by__isnull=False)
        for holder in held.exclude(leased_by__state=State.RUNNING).values_list("leased_by_id"):
            # By its number: a filter on the holder's state would not be looked at again by
            # PostgreSQL when two take the host at once.
            free |= Q(leased_by=holder[0])
        changed = self.filter(free, pk=host_id).update(
            leased_by=job, leased_at=now, lease_heartbeat=now
        )
        return changed == 1

    def keep(self, host_id: int, *, job: Job) -> bool:
        """Renew the lease; False when it is not ours any more."""
        now = timezone.now()
        return self.filter(pk=host_id, leased_by=job).update(lease_heartbeat=now) == 1

    def free(self, host_id: int, *, job: Job) -> None:
        self.filter(pk=host_id, leased_by=job).update(
            leased_by=None, leased_at=None, lease_heartbeat=None
        )


class Host(models.Model):
    """A machine of the pool. The lock is the host: one measurement at a time on it."""

    name = models.CharField(max_length=80, unique=True)
    notes = models.TextField(blank=True)
    leased_by = models.ForeignKey(
        Job, null=True, blank=True, on_delete=models.SET_NULL, related_name="leases"
    )
    leased_at = models.DateTimeField(null=True, blank=True)
    lease_heartbeat = models.DateTimeField(null=True, blank=True)
    agent_heartbeat = models.DateTimeField(null=True, blank=True, help_text="of its agent")

    objects = HostQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_leased(self) -> bool:
        return self.leased_by_id is not None

    @property
    def has_agent(self) -> bool:
        """Whether an agent reported within the last 30 s; a time to come is none to trust."""
        beat = self.agent_heartbeat
        return beat is not None and abs(timezone.now() - beat) < AGENT_SILENCE


class DeviceQuerySet(models.QuerySet["Device"]):
    def in_service(self) -> DeviceQuerySet:
        """Those whose health lets them measure for searches."""
        return self.filter(health__in=SERVING)

    def offering(self, target: str) -> list[Device]:
        """Devices in service for ``target``, the least busy first, those that are away last."""
        # JSON containment is not portable to SQLite; the table is small.
        found = [
            device
            for device in self.in_service().select_related("host").order_by("pk")
            if target in device.targets
        ]
        busy = {
            device.pk: Job.objects.alive().filter(queue=device.queue).count() for device in found
        }
        return sorted(found, key=lambda device: (bool(device.away), busy[device.pk]))


class Device(models.Model):
    """A share of a host that offers targets over a transport."""

    host = models.ForeignKey(Host, on_delete=models.CASCADE, related_name="devices")
    name = models.CharField(max_length=80)
    slug = models.SlugField(max_length=60, unique=True)
    model = models.CharField(
        max_length=120,
        blank=True,
        help_text="the CPU's or NPU's name; ranks compare equal ones only",
    )
    targets = models.JSONField(default=list, help_text="ids of the targets that it offers")
    cpuset = models.CharField(max_length=80, blank=True, help_text='"0-3,6"; empty: every CPU')
    memory_mib = models.PositiveIntegerField(null=True, blank=True)
    transport = models.CharField(max_length=10, choices=Transport.choices, default=Transport.LOCAL)
    engine = models.CharField(
        max_length=200,
        blank=True,
        help_text="of Docker: unix:///path, ssh://user@host, tcp://host:port; empty: this host's",
    )
    away = models.CharField(
        max_length=300, blank=True, help_text="why it takes no jobs now: its engine does not answer"
    )
    tls = models.CharField(
        "TLS folder",
        max_length=300,
        blank=True,
        help_text="on the agent's machine, with ca.pem, cert.pem and key.pem: what tcp needs",
    )
    state = models.CharField(max_length=8, choices=DeviceState.choices, default=DeviceState.IDLE)
    health = models.CharField(max_length=12, choices=Health.choices, default=Health.UNKNOWN)
    health_reason = models.CharField(max_length=300, blank=True)
    check_every_jobs = models.PositiveSmallIntegerField(
        default=50, help_text="measurements between two health checks; 0: does not count them"
    )
    check_every_h = models.PositiveSmallIntegerField(
        default=24, help_text="hours between two health checks; 0: does not look at the clock"
    )
    tags = models.CharField(max_length=200, blank=True, help_text="words, separated by commas")
    notes = models.TextField(blank=True)
    created = models.DateTimeField(auto_now_add=True)

    objects = DeviceQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} on {self.host.name}"

    def clean(self) -> None:
        """Whether the fields fit each other: what the administration asks before it saves."""
        wrong: dict[str, str] = {}
        try:
            cpu_numbers(self.cpuset)
        except ValueError as error:
            wrong["cpuset"] = str(error)
        if self.memory_mib is not None and self.memory_mib < LEAST_MEMORY_MIB:
            wrong["memory_mib"] = f"{self.memory_mib} MiB: at least {LEAST_MEMORY_MIB} is accepted"
        if self.transport == Transport.DOCKER:
            try:
                Engine(self.engine or LOCAL, Path(self.tls) if self.tls else None).check()
            except BadRequest as error:
                wrong["engine"] = str(error)
        else:
            # Nothing else would hold a process of the agent's to them, and pages show them.
            own = ("engine", "tls", "cpuset", "memory_mib")
            for name in filter(lambda name: getattr(self, name), own):
                wrong[name] = "only a device with the transport Docker container has one"
        if wrong:
            raise ValidationError(wrong)

    @property
    def is_container(self) -> bool:
        return self.transport == Transport.DOCKER

    @property
    def queue(self) -> str:
        """Measurements of searches."""
        return f"device-{self.slug}"

    @property
    def check_queue(self) -> str:
        """Health checks: served also while the device measures for nobody."""
        return f"check-{self.slug}"

    @property
    def in_service(self) -> bool:
        """Whether it measures for searches now."""
        return self.health in SERVING

    @property
    def is_remote_bundle(self) -> bool:
        """Whether no worker reaches it: jobs leave in a bundle, and results are imported."""
        return self.transport == Transport.BUNDLE

    @property
    def trouble(self) -> str:
        """Why it does not measure now, in words; empty if it does."""
        if self.in_service:
            return f"away: {self.away}" if self.away else ""
        said = "out of service (bad)" if self.health == Health.BAD else self.get_health_display()
        return f"{said[0].lower()}{said[1:]}: {self.health_reason}".removesuffix(": ")


class HealthChange(models.Model):
    """One change of a device's health: from what to what, why, and by whom."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="health_changes")
    at = models.DateTimeField(auto_now_add=True)
    was = models.CharField(max_length=12, choices=Health.choices)
    now = models.CharField(max_length=12, choices=Health.choices)
    reason = models.CharField(max_length=300)
    author = models.CharField(max_length=150, blank=True, help_text="a user's name; empty: a check")

    class Meta:
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.device.slug}: {self.was} to {self.now}"


class HealthCheck(models.Model):
    """The reference model against itself, by the device: how quiet is it, and is it what it was?

    Figures are null until it has ended, and where it failed.
    """

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="health_checks")
    target = models.CharField(max_length=60)
    cause = models.CharField(max_length=12, choices=Cause.choices)
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    job = models.OneToOneField(
        Job, null=True, on_delete=models.SET_NULL, related_name="health_check"
    )
    ratio = models.FloatField(null=True, help_text="A/A; |ratio - 1| is a sample of the noise")
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    latency_ms = models.FloatField(null=True)
    drift = models.FloatField(
        null=True, help_text="latency over the median of its history, less 1; null: no history yet"
    )
    provenance = models.JSONField(null=True)
    failure = models.TextField(blank=True, help_text="why it has no figures")
    created = models.DateTimeField(auto_now_add=True)
    ended = models.DateTimeField(null=True)

    class Meta:
        ordering = ["-created", "-pk"]
        indexes = [models.Index(fields=["device", "-created"], name="check_device_created")]

    def __str__(self) -> str:
        return f"check {self.pk} of {self.device.slug}"


class NoiseCheck(models.Model):
    """One A/A comparison of a search's lease: the same model against itself."""

    device = models.ForeignKey(Device, on_delete=models.CASCADE, related_name="noise_checks")
    target = models.CharField(max_length=60)
    ratio = models.FloatField()
    low = models.FloatField()
    high = models.FloatField()
    measurement = models.ForeignKey(
        "searches.Measurement", null=True, on_delete=models.SET_NULL, related_name="noise_checks"
    )
    arm = models.CharField(max_length=60, help_text="the arm that equals the baseline")
    created = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["-created"]
        indexes = [
            models.Index(fields=["device", "target", "-created"], name="noise_device_target")
        ]

    def __str__(self) -> str:
        return f"{self.device.slug} {self.target}: {self.ratio:.4f}"
