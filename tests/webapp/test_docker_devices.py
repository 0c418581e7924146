"""Docker devices in the pool: what the administration accepts, and jobs whose engine is away."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.test import Client
from django.urls import reverse

from engine.errors import Pending
from tests.browser import factories
from tests.webapp.conftest import People
from webapp.jobs import context
from webapp.jobs.choices import State
from webapp.jobs.models import Job
from webapp.jobs.runner import execute
from webapp.jobs.services import park
from webapp.pool import measuring
from webapp.pool.models import Device, Host
from webapp.searches import services
from webapp.searches.models import Search
from webapp.searches.surroundings import SearchSurroundings

pytestmark = pytest.mark.django_db(transaction=True)

TARGET = "cpu-onnxruntime-fp32"


def form(host: Host, **fields: str) -> dict[str, object]:
    """What an administrator fills in."""
    return {
        "host": host.pk,
        "name": "Lab",
        "slug": "lab",
        "model": "Test CPU",
        "targets": [TARGET],
        "transport": "docker",
        "check_every_jobs": "50",
        "check_every_h": "24",
        **fields,
    }


@pytest.fixture
def admin(people: People) -> Client:
    client = Client()
    client.force_login(people.admin)
    return client


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"engine": "http://lab:2375"}, "ssh://user@host or tcp://host:port is accepted"),
        ({"engine": "tcp://lab:2376"}, "needs TLS: name the folder of ca.pem"),
        ({"engine": "ssh://lab", "tls": "/etc/tls"}, "takes no TLS folder"),
        ({"cpuset": "two"}, "ranges like &quot;0-3,6&quot; are accepted"),
        ({"memory_mib": "100"}, "100 MiB: at least 512 is accepted"),
        ({"transport": "local", "engine": "ssh://lab"}, "only a device with the transport Docker"),
        ({"transport": "local", "cpuset": "0-1"}, "only a device with the transport Docker"),
        ({"transport": "bundle", "memory_mib": "2048"}, "only a device with the transport Docker"),
    ],
)
def test_what_does_not_fit_is_refused(admin: Client, fields: dict[str, str], said: str) -> None:
    host = Host.objects.create(name="lab")
    answer = admin.post(reverse("admin:pool_device_add"), form(host, **fields))
    assert answer.status_code == 200
    assert said in answer.content.decode()
    assert not Device.objects.exists()


def test_what_fits_is_kept_and_the_page_says_what_a_container_is(admin: Client) -> None:
    host = Host.objects.create(name="lab")
    fields = {
        "engine": "tcp://lab:2376",
        "tls": "/etc/actnas/lab",
        "cpuset": "0-1",
        "memory_mib": "2048",
    }
    answer = admin.post(reverse("admin:pool_device_add"), form(host, **fields))
    assert answer.status_code == 302, answer.content.decode()
    device = Device.objects.get()
    setup = measuring.setup_of(device, owner="me")
    assert (setup.engine.address, setup.engine.tls) == ("tcp://lab:2376", Path("/etc/actnas/lab"))
    assert (setup.limits.cpuset, setup.limits.memory_mib) == ("0-1", 2048)
    page = Client().get(reverse("pool:device", args=[device.slug])).content.decode()
    assert "not another piece of hardware" in page
    assert "lab:2376" not in page


@pytest.fixture
def job(people: People, site: Path) -> Job:
    """A measurement for a device whose engine is away."""
    from tests.webapp import test_measure

    Device.objects.create(
        host=Host.objects.create(name="lab"),
        name="Lab",
        slug="lab",
        targets=[TARGET],
        transport="docker",
        engine=f"unix://{site}/engine.sock",
    )
    request = services.create_request(
        owner=people.owner,
        detector=factories.detector(people.owner),
        data_set=None,
        wish=services.Wish(targets=[TARGET]),
    )
    search: Search = request.searches.get()
    asking: SearchSurroundings = test_measure.surroundings(search)
    with pytest.raises(Pending):
        asking.measure(test_measure.job(test_measure.tiny_model(site / "tiny.onnx")))
    return Job.objects.get(kind="measure")


def test_a_job_whose_engine_is_away_stays_queued_and_says_why(
    job: Job, site: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "_PATIENCE_S", 0.1)
    monkeypatch.setattr(context, "_ASK_S", 0.2)
    for _ in range(5):  # more often than a job that fails is tried
        execute(job.pk)
        job.refresh_from_db()
        assert (job.state, job.attempt) == (State.QUEUED, 1)
    assert job.message == "no Docker engine answers: No such file or directory"
    assert Host.objects.get().leased_by is None
    # Who asked for it reads why, and so does everybody on the device's page.
    (search,) = Search.objects.all()
    assert search.job is not None
    assert Job.objects.claim(search.job.pk, worker="w") is not None
    search.job.refresh_from_db()
    park(search.job, waits_for={job.pk}, message="measurement a-a")
    (row,) = services.progress(Search.objects.get()).waiting
    assert "it is away: no Docker engine answers" in row["message"]
    page = Client().get(reverse("pool:device", args=["lab"])).content.decode()
    assert "takes no jobs now, and they wait: no Docker engine answers" in page
    assert Device.objects.get().state == "idle"
