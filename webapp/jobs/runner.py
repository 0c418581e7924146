"""The one place that starts and ends a run of a job."""

from __future__ import annotations

import logging
import threading
import traceback
from contextlib import AbstractContextManager, nullcontext

from boto3.exceptions import S3UploadFailedError
from botocore.exceptions import BotoCoreError, ClientError
from django.conf import settings
from django.db import InterfaceError, OperationalError, connections
from redis.exceptions import RedisError
from rq.timeouts import JobTimeoutException, UnixSignalDeathPenalty

from devices import hostlock
from devices.errors import (
    BadRequest,
    DeviceError,
    DeviceNotReady,
    MeasurementFailed,
    OutOfMemory,
    Unsupported,
    causes,
)
from engine.errors import Cancelled, Pending, UserError
from webapp import logs
from webapp.errors import STORAGE_FULL, is_storage_full
from webapp.jobs import handlers, scratch, services
from webapp.jobs.choices import Fault, Kind, State
from webapp.jobs.context import JobContext
from webapp.jobs.models import Job
from webapp.jobs.processes import this_process

log = logging.getLogger(__name__)

USERS_FAULT = (UserError, BadRequest, Unsupported, OutOfMemory)
REMOTE_STORAGE = (BotoCoreError, ClientError, S3UploadFailedError)
DATABASE_AWAY = (OperationalError, InterfaceError)
WORTH_ANOTHER_TRY = (
    *(MeasurementFailed, RedisError, ConnectionError),
    *DATABASE_AWAY,
    *REMOTE_STORAGE,
)


def execute(job_id: int) -> None:
    """Run the job whose turn it is in the queue of job ``job_id``, and record how that ended."""
    queue = Job.objects.filter(pk=job_id).values_list("queue", flat=True).first()
    job = Job.objects.claim_next(queue, worker=this_process()) if queue else None
    if job is None:
        return  # cancelled or deleted, or another copy of this message came first
    if settings.LOG == "json":
        logs.take_over()  # of what this job's code imported until now
    with logs.about(job.trace, whole_process=True):
        _run(job)


def _run(job: Job) -> None:
    log.info("job %s (%s) starts, attempt %s", job.pk, job.kind, job.attempt)
    context = JobContext(job)
    try:
        with context, scratch.own(job.worker), _alarm(job), _beside_measurements(context):
            handlers.of(job).load_run()(context)
    except Pending as error:
        if context.blocked_by:
            log.info("job %s (%s) waits: %s", job.pk, job.kind, error)
            services.park(job, waits_for=context.blocked_by, message=str(error))
        else:  # it would wait for ever
            _fail(job, error, reason=f"waits for nothing known: {error}", fault=Fault.OURS)
    except Cancelled:
        # Usually the row says so already; if the handler stopped by itself, it is written here.
        services.end(job.pk, state=State.CANCELLED, claim=job.claim, reason="cancelled")
    except USERS_FAULT as error:
        _fail(job, error, reason=str(error), fault=Fault.USER)
    except DeviceNotReady as error:
        services.put_back(job, why=str(error))
    except JobTimeoutException as error:
        _fail(job, error, reason=f"ran past its limit of {job.limit_s} s", fault=Fault.OURS)
    except WORTH_ANOTHER_TRY as error:
        log.warning("job %s: %s", job.pk, error)
        # Its own words name addresses.
        away = isinstance(error, REMOTE_STORAGE)
        reason = "the storage of the site does not answer" if away else str(error)
        if isinstance(error, DATABASE_AWAY):
            connections.close_all()  # it may be back; if not, an agent finds the job
        if job.attempt < job.max_attempts:
            services.recover(job, why=reason[:200])
        else:
            _fail(job, error, reason=reason, fault=Fault.OURS)
    except DeviceError as error:  # another try would end the same
        _fail(job, error, reason=str(error), fault=Fault.OURS)
    except Exception as error:  # whatever it was, the job must not stay unfinished
        log.exception("job %s (%s) crashed", job.pk, job.kind)
        _fail(job, error, reason=_reason(error), fault=Fault.OURS)
    else:
        services.end(job.pk, state=State.FINISHED, claim=job.claim)
    finally:
        connections.close_all()


def _alarm(job: Job) -> AbstractContextManager[None]:
    """Raises JobTimeoutException past the job's limit. Only a main thread can have an alarm; the
    sweeper ends what is overdue in any other."""
    if threading.current_thread() is not threading.main_thread():
        return nullcontext()
    alarm: AbstractContextManager[None] = UnixSignalDeathPenalty(job.limit_s, JobTimeoutException)
    return alarm


def _beside_measurements(context: JobContext) -> AbstractContextManager[None]:
    """The host's lock, shared: whatever else we do on a host pauses while it measures."""
    if context.job.kind in (Kind.MEASURE, Kind.CHECK):
        return nullcontext()  # takes the lock for itself, where its target is measured
    return hostlock.yielding(while_waiting=context.check)


def _reason(error: Exception) -> str:
    """What strangers may read of an error that nobody expected."""
    if is_storage_full(error):
        return STORAGE_FULL
    if any(isinstance(one, MemoryError) for one in causes(error)):
        return "the worker ran out of memory"
    return f"internal error: {type(error).__name__}"


def _fail(job: Job, error: Exception, *, reason: str, fault: Fault) -> None:
    services.end(
        job.pk,
        state=State.FAILED,
        claim=job.claim,
        reason=reason,
        fault=fault,
        error=type(error).__name__,
        traceback="".join(traceback.format_exception(error)),
    )
