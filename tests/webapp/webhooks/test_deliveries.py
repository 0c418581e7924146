"""A search ends, and a real server hears of it, signed; or does not, and it is tried again."""

from __future__ import annotations

import json
import socket
import threading
import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from engine.remote import verify
from engine.remote.webhook import HEADER
from tests.browser import factories
from tests.schemas.test_schemas import validator
from tests.webapp.conftest import Names, People, Worker
from tests.webapp.webhooks.conftest import TARGET, Receiver, running
from webapp.jobs import runner
from webapp.jobs import services as jobs
from webapp.jobs.choices import State
from webapp.jobs.models import Job
from webapp.searches.models import Search
from webapp.webhooks import sending, services
from webapp.webhooks.models import Delivery, Webhook

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("private")]


def hook(people: People, url: str) -> Webhook:
    return services.create(owner=people.owner, url=url, site="https://actnas.example/")


def end(search: Search, state: State = State.FAILED, reason: str = "the tea had gone cold") -> None:
    assert search.job is not None
    Job.objects.filter(pk=search.job.pk).update(state=State.RUNNING)
    assert jobs.end(search.job.pk, state=state, reason=reason)


def attempt(delivery: Delivery) -> Delivery:
    """One attempt in this process, as if it were due; the row afterwards."""
    if delivery.not_before is not None:
        past = timezone.now() - timedelta(seconds=1)
        Delivery.objects.filter(pk=delivery.pk).update(not_before=past)
        assert services.sweep() == 1
    assert delivery.job_id is not None
    runner.execute(delivery.job_id)
    return Delivery.objects.get(pk=delivery.pk)


def test_a_finished_search_is_told_and_signed(
    people: People, receiver: Receiver, work: Worker
) -> None:
    made = hook(people, f"{receiver.url}in?for=tea")
    asked = factories.request(
        people.owner,
        factories.detector(people.owner),
        factories.data_set(people.owner),
        name="Tea",
        target_ids=[TARGET],
    )
    search, entries = factories.finished_search(asked, TARGET, factories.pool()[0], seed=1)
    end(search, State.FINISHED, reason="")
    assert receiver.got == []  # nobody but a worker sends
    work("deliver")

    ((path, headers, body),) = receiver.got
    assert path == "/in?for=tea"
    assert verify(made.secret, headers[HEADER], body)
    assert not verify(made.secret, headers[HEADER], body.replace(b"finished", b"failed!!"))
    said = json.loads(body)
    validator("webhook").validate(said)
    (delivery,) = Delivery.objects.all()
    assert search.result is not None
    assert said == said | {
        "event": "search.finished",
        "delivery": delivery.pk,
        "request": asked.pk,
        "search": search.pk,
        "target": TARGET,
        "state": "finished",
        "verdict": search.result["verdict"]["sentence"],
        "reason": "",
        "entries": [entry.pk for entry in entries],
        "page": f"https://actnas.example/searches/{asked.pk}/",
        "api": f"https://actnas.example/api/v1/searches/{asked.pk}",
    }
    assert (headers["Actnas-Event"], headers["Actnas-Delivery"]) == (said["event"], delivery.pk)
    assert delivery.state == "delivered"
    assert [(row["status"], row["error"]) for row in delivery.attempts] == [(200, "")]


@pytest.mark.parametrize("state", [State.FAILED, State.CANCELLED])
def test_other_ends_are_told_with_their_reason(
    people: People, receiver: Receiver, search: Search, state: State
) -> None:
    hook(people, receiver.url)
    end(search, state)
    attempt(Delivery.objects.get())
    said = json.loads(receiver.got[0][2])
    assert (said["event"], said["state"]) == (f"search.{state}", state)
    assert (said["reason"], said["verdict"]) == ("the tea had gone cold", None)


def test_only_the_owner_s_webhooks_hear_of_it(
    people: People, receiver: Receiver, search: Search
) -> None:
    services.create(owner=people.stranger, url=receiver.url, site="https://actnas.example")
    end(search)
    assert not Delivery.objects.exists()


def test_after_an_error_it_is_sent_again_and_nobody_waits_meanwhile(
    people: People, receiver: Receiver, search: Search, work: Worker
) -> None:
    made = hook(people, receiver.url)
    receiver.statuses = [500, 204]
    end(search)
    work("deliver")
    delivery = Delivery.objects.get()
    assert (delivery.state, delivery.attempts[0]["error"]) == ("pending", "answered 500")
    assert "secret" not in json.dumps(delivery.attempts)  # the body of the answer
    assert delivery.job is not None
    assert delivery.job.state == State.FINISHED  # no worker holds it
    assert services.sweep() == 0
    assert delivery.not_before is not None
    assert 20 < (delivery.not_before - timezone.now()).total_seconds() <= 30

    Delivery.objects.update(not_before=timezone.now())
    assert services.sweep() == 1
    assert services.sweep() == 0  # one of many sweepers
    work("deliver")
    delivery.refresh_from_db()
    assert delivery.state == "delivered"
    assert [row["status"] for row in delivery.attempts] == [500, 204]
    first, second = receiver.got
    assert first[2] == second[2]
    assert first[1]["Actnas-Delivery"] == second[1]["Actnas-Delivery"]
    assert verify(made.secret, second[1][HEADER], second[2])


def test_pauses_grow_and_it_is_given_up(people: People, search: Search) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    hook(people, f"http://127.0.0.1:{port}/")  # where nobody listens
    end(search)
    delivery, pauses = Delivery.objects.get(), []
    while delivery.state == "pending":
        delivery = attempt(delivery)
        if delivery.not_before is not None:
            pauses.append((delivery.not_before - timezone.now()).total_seconds())
    assert len(delivery.attempts) == len(services.PAUSES_S) + 1
    assert pauses == sorted(pauses)
    assert pauses[-1] > 3600
    assert all(row["status"] is None and row["error"] for row in delivery.attempts)
    assert Webhook.objects.get().failures == 1
    assert services.sweep() == 0


def test_a_webhook_that_never_works_is_switched_off_until_a_test_arrives(
    people: People, receiver: Receiver, search: Search
) -> None:
    made = hook(people, receiver.url)
    Webhook.objects.update(failures=services.MOST_FAILURES - 1)
    receiver.statuses = [503]
    end(search)
    delivery = Delivery.objects.get()
    while delivery.state == "pending":
        delivery = attempt(delivery)
    made.refresh_from_db()
    assert (made.failures, made.switched_off is not None) == (services.MOST_FAILURES, True)

    end(search)
    assert Delivery.objects.count() == 1  # it is not told any more
    assert attempt(services.send_test(made)).state == "failed"  # tried once
    receiver.statuses = [200]
    assert attempt(services.send_test(made)).state == "delivered"
    made.refresh_from_db()
    assert (made.failures, made.switched_off) == (0, None)
    end(search)
    assert Delivery.objects.filter(event="search.failed").count() == 2


def test_a_redirect_is_not_followed(people: People, receiver: Receiver, search: Search) -> None:
    hook(people, receiver.url)
    receiver.statuses = [302, 200]
    end(search)
    delivery = attempt(Delivery.objects.get())
    assert delivery.attempts[0]["error"] == "answered 302; redirects are not followed"
    assert [path for path, _, _ in receiver.got] == ["/"]


def test_a_name_that_came_to_mean_this_machine_is_not_sent_to(
    people: People,
    receiver: Receiver,
    search: Search,
    names: Names,
    settings: Any,
) -> None:
    port = receiver.url.rpartition(":")[2]
    settings.WEBHOOKS_PRIVATE = False
    names("1.1.1.1")
    hook(people, f"https://hook.example:{port}")
    names("127.0.0.1")
    end(search)
    delivery = attempt(Delivery.objects.get())
    assert "in a private, loopback" in delivery.attempts[0]["error"]
    assert receiver.got == []


def test_the_name_is_looked_up_once_and_still_named(receiver: Receiver, names: Names) -> None:
    """Who answers for a name could say something else the second time."""
    asked = names("127.0.0.1")
    port = receiver.url.rstrip("/").rpartition(":")[2]
    outcome = sending.send(
        f"http://hook.example:{port}/in", body="{}", secret="s", event="test", delivery="d"
    )
    assert outcome.arrived
    assert asked == ["hook.example"]
    assert receiver.got[0][1]["Host"] == f"hook.example:{port}"


def test_a_server_that_drips_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each byte comes soon after the one before: only a limit over everything helps."""
    monkeypatch.setattr(sending, "LIMIT_S", 0.6)
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection:
                for byte in b"HTTP/1.1 200 OK\r\nX-Slow: " + b"z" * 100:
                    try:
                        connection.send(bytes([byte]))
                    except OSError:
                        return
                    time.sleep(0.05)

        thread = threading.Thread(target=drip, daemon=True)
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        outcome = sending.send(url, body="{}", secret="s", event="test", delivery="d")
        thread.join(timeout=10)
    assert (outcome.status, outcome.error) == (None, "no answer within 0.6 s")
    assert outcome.seconds < 5  # the drops alone take six


def test_a_deleted_webhook_is_sent_nothing(
    people: People, receiver: Receiver, search: Search, work: Worker
) -> None:
    made = hook(people, receiver.url)
    end(search)
    services.delete(made)
    work("deliver")
    assert receiver.got == []
    assert not Delivery.objects.exists()
    assert not Job.objects.filter(kind="deliver").exists()


def test_a_new_secret_signs_from_now_on(people: People, receiver: Receiver) -> None:
    made = hook(people, receiver.url)
    old = made.secret
    new = services.renew_secret(made)
    assert new != old
    attempt(services.send_test(made))
    _, headers, body = receiver.got[0]
    assert verify(new, headers[HEADER], body)
    assert not verify(old, headers[HEADER], body)
    assert old not in json.dumps(list(Webhook.objects.values()), default=str)
    assert new not in json.dumps(list(Webhook.objects.values()), default=str)


def test_a_delivery_whose_worker_died_for_good_is_tried_again(
    people: People, receiver: Receiver, search: Search
) -> None:
    hook(people, receiver.url)
    end(search)
    delivery = Delivery.objects.select_related("job").get()
    assert delivery.job is not None
    jobs.end(delivery.job.pk, state=State.FAILED, states=(State.QUEUED,), reason="its worker died")
    delivery.refresh_from_db()
    assert delivery.attempts[0]["error"] == "not sent: its worker died"
    assert attempt(delivery).state == "delivered"


def test_old_deliveries_are_forgotten(
    people: People, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "KEPT", 2)
    made = hook(people, receiver.url)
    for _ in range(4):
        last = attempt(services.send_test(made))
    assert Delivery.objects.count() == 3  # those that have ended, and the newest
    assert Delivery.objects.filter(pk=last.pk).exists()
    assert Job.objects.filter(kind="deliver").count() == 3


def test_two_searches_of_one_request_are_two_events(people: People, receiver: Receiver) -> None:
    hook(people, receiver.url)
    for _ in range(2):
        end(running(people))
    assert Delivery.objects.values("search").distinct().count() == 2
