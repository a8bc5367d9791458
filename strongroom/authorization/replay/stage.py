"""Carries a plan out, move by move, with real credentials on the laptop's cloud, and puts back what it changed.

Every client is asked where it goes: anything but a loopback address is refused. What a move changes is put back in the
end in any case, in the reverse order, by whoever may.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from strongroom.authorization.prover.facts import OUTSIDER
from strongroom.authorization.replay.answers import NoAnswer, filled, said
from strongroom.authorization.replay.endpoints import loopback_only
from strongroom.authorization.replay.moves import Move, Plan, Request, Way
from strongroom.authorization.replay.openbao_calls import BaoRefused, ask, login_of, revoke
from strongroom.errors import Denied, Transient, Undetermined

_DENIED = frozenset({"AccessDenied", "AccessDeniedException", "AuthorizationError", "Forbidden", "403"})
#: What a mend finds already gone.
_GONE = frozenset({"NoSuchEntity", "NotFoundException", "NoSuchBucketPolicy", "ResourceNotFoundException", "NoSuchKey"})


class Credentials(Protocol):
    """The identities that a replay can act with; sessions are boto3's."""

    def begins_with(self, identity: str) -> Any | None:
        """A session of an identity that somebody holds without a step, or None."""

    def outsider(self) -> Any | None:
        """A session in an account of the person's own, outside all that is deployed, or None."""

    def session(self, access_key: str, secret: str, token: str | None) -> Any:
        """A session of credentials that a move made."""

    def menders(self, account: str) -> Iterator[Any]:
        """Sessions that may put things back in an account, the most powerful first."""

    def openbao(self, login: str) -> Any | None:
        """A logged-in hvac client of a login (`bao:...`) that somebody holds without a step, or None."""


@dataclass(frozen=True)
class Told:
    """One move as it went: done or refused, and what the service answered."""

    words: str
    done: bool
    answer: str


@dataclass
class _Trace:
    """A move that was begun, with the answers that its mends may need."""

    move: Move
    answers: dict[str, Any] = field(default_factory=dict)


class Stage:
    """One carrying out. `starts`: the identities that the person begins with."""

    def __init__(
        self, plan: Plan, starts: tuple[str, ...], credentials: Credentials, tell: Callable[[Told], None]
    ) -> None:
        self.plan, self.starts, self.credentials, self.tell = plan, starts, credentials, tell
        self._sessions: dict[str, Any] = {}
        self._renamed: dict[str, str] = {}
        self._begun: list[_Trace] = []
        self._made_logins: list[Any] = []

    def run(self) -> list[str]:
        """Carries every move out and mends; gives what could not be put back, a sentence each.

        Denied names the first step that was refused, Undetermined one that could not be asked; both after mending.
        """
        if self.plan.impossible:
            first = self.plan.impossible[0]
            raise Undetermined(f"not replayable here: {first.words}: {first.reason}")
        left: list[str] = []
        try:
            for number, move in enumerate(self.plan.moves, 1):
                if isinstance(move, Move):
                    self._carry_out(number, move)
        finally:
            left += self._mend()
        return left

    def _carry_out(self, number: int, move: Move) -> None:
        trace = _Trace(move)
        self._begun.append(trace)
        try:
            for request in move.scenery:
                self._by_a_mender(request, move, trace.answers)
            if move.before is not None:
                with suppress(_Failure):  # nothing was set: what puts it back says what it does then
                    trace.answers["before"] = self._by_a_mender(move.before, move, trace.answers)
        except (_Refusal, _Failure) as error:
            raise Undetermined(f"step {number}: {move.words}: cannot be prepared: {error}") from None
        errors: list[str] = []
        refused = False
        for way in move.ways:
            try:
                said_so = self._way(way, move, trace)
            except (_Refusal, _Failure) as error:
                refused |= isinstance(error, _Refusal)
                errors.append(str(error))
                continue
            self._remember(move, trace)
            self.tell(Told(move.words, True, said_so))
            return
        reason = "; ".join(dict.fromkeys(errors))
        self.tell(Told(move.words, False, reason))
        raise (Denied if refused else Undetermined)(f"step {number}: {move.words}: {reason}")

    def _way(self, way: Way, move: Move, trace: _Trace) -> str:
        trace.answers.pop("answers", None)
        if way.prepare is not None:
            trace.answers["prepared"] = self._prepared(way.prepare, move, trace.answers)
        answers: list[str] = []
        for request in way.requests:
            try:
                trace.answers["answer"] = answer = self._ask(move.actor, request, trace.answers)
                trace.answers.setdefault("answers", []).append(answer)
            except _Refusal as error:
                if error.code not in move.answers:
                    raise
                answers.append(f"{request.words()}: allowed ({error.code})")
            except _Failure as error:
                if error.code not in move.answers:
                    raise
                answers.append(f"{request.words()}: allowed ({error.code})")
            else:
                answers.append(f"{request.words()}: {said(answer)}")
        return "; ".join(answers) or "nothing more to ask: it follows from the steps before"

    def _remember(self, move: Move, trace: _Trace) -> None:
        """The credentials and new names that a move's last answer holds."""
        if move.becomes:
            self._sessions[move.becomes] = self._made(trace.answers["answer"], move)
        if move.renames is not None:
            self._renamed[move.renames[0]] = str(filled(move.renames[1], trace.answers))

    def _made(self, answer: Mapping[str, Any], move: Move) -> Any:
        if move.becomes.startswith("bao:"):
            self._made_logins.append(login_of(answer, self._session(move.actor)))
            return self._made_logins[-1]
        given = answer.get("Credentials") or answer["AccessKey"]
        return self.credentials.session(given["AccessKeyId"], given["SecretAccessKey"], given.get("SessionToken"))

    def _session(self, identity: str) -> Any:
        """The credentials of an identity: made by an earlier move, or what the person begins with."""
        if identity not in self._sessions:
            if identity == OUTSIDER.arn:
                found = self.credentials.outsider()
            elif identity not in self.starts:
                found = None
            elif identity.startswith("bao:"):
                found = self.credentials.openbao(identity)
            else:
                found = self.credentials.begins_with(identity)
            if found is None:
                raise Undetermined(f"nobody here holds credentials of {identity}")
            self._sessions[identity] = found
        return self._sessions[identity]

    def _ask(self, identity: str, request: Request, answers: Mapping[str, Any]) -> Mapping[str, Any]:
        return self._call(self._session(identity), request, answers)

    def _call(self, session: Any, request: Request, answers: Mapping[str, Any]) -> Mapping[str, Any]:
        """One request, or what is asked instead; _Refusal or _Failure with the service's code."""
        try:
            return self._send(session, request, answers)
        except (_Refusal, _Failure, NoAnswer):
            if request.instead is None:
                raise
            return self._call(session, request.instead, answers)

    def _send(self, session: Any, request: Request, answers: Mapping[str, Any]) -> Mapping[str, Any]:
        arguments = {name: self._current(filled(value, answers)) for name, value in request.arguments.items()}
        if request.service == "bao":
            try:
                return ask(session, request.operation, arguments)
            except BaoRefused as error:
                raise (_Refusal if error.forbidden else _Failure)(error.code, f"{request.words()}: {error}") from None
        region = next((text.split(":")[3] for text in arguments.values() if _is_key(text)), request.region)
        client = session.client(request.service, region_name=region)
        loopback_only(client.meta.endpoint_url)
        try:
            answer: Mapping[str, Any] = getattr(client, request.operation)(**arguments)
            return answer
        except ClientError as error:
            code = str(error.response["Error"]["Code"])
            kind = _Refusal if code in _DENIED else _Failure
            raise kind(code, f"{request.words()}: {code}: {error.response['Error'].get('Message', '')}") from None
        except BotoCoreError as error:
            raise Transient(
                f"{request.words()}: the laptop's cloud cannot be reached ({type(error).__name__})"
            ) from None
        finally:
            client.close()

    def _current(self, value: Any) -> Any:
        return self._renamed.get(value, value) if isinstance(value, str) else value

    def _prepared(self, request: Request, move: Move, answers: Mapping[str, Any]) -> Mapping[str, Any]:
        """What the actor prepares itself if it may, else whoever may."""
        try:
            return self._ask(move.actor, request, answers)
        except (_Refusal, _Failure):
            return self._by_a_mender(request, move, answers)

    def _by_a_mender(self, request: Request, move: Move, answers: Mapping[str, Any]) -> Mapping[str, Any]:
        """A request by the first who may; _Refusal if nobody may, _Failure as it comes."""
        last: Exception = _Refusal("", f"{request.words()}: nobody here may")
        for session in self._menders(request, move):
            try:
                return self._call(session, request, answers)
            except _Refusal as error:
                last = error
        raise last

    def _menders(self, request: Request, move: Move) -> Iterator[Any]:
        if request.service == "bao":
            if (client := self.credentials.openbao("")) is not None:
                yield client
            return
        texts = [text for text in request.arguments.values() if isinstance(text, str)]
        named = [text.split(":")[4] if text.startswith("arn:") else text for text in texts]
        accounts = [*(text for text in named if len(text) == 12), move.actor.split(":")[4]]
        yield from self.credentials.menders(next(account for account in accounts if account.isdigit()))

    def _mend(self) -> list[str]:
        """Puts back what was changed, the last first; gives what could not be, a sentence each."""
        left: list[str] = []
        for login in self._made_logins:
            if reason := revoke(login):
                left.append(f"not put back: {reason}")
        while self._begun:
            trace = self._begun.pop()
            changed = "answer" in trace.answers or trace.move.scenery
            if changed and trace.move.stays:
                left.append(trace.move.stays)
            for request in trace.move.mends if changed else ():
                if reason := self._put_back(request, trace):
                    left.append(f"not put back: {reason}")
        return left

    def _put_back(self, request: Request, trace: _Trace) -> str:
        """Why a request could not be made by anybody, or ''."""
        reason = f"{request.words()}: nobody here may"
        for session in self._mending(request, trace.move):
            try:
                self._call(session, request, trace.answers)
                return ""
            except NoAnswer:
                return f"{request.words()}: the answer that names it never came"
            except (_Refusal, _Failure) as error:
                if error.code in _GONE:
                    return ""
                reason = str(error)
        return reason

    def _mending(self, request: Request, move: Move) -> Iterator[Any]:
        if move.actor in self._sessions:
            yield self._sessions[move.actor]
        yield from self._menders(request, move)


class _Failure(Exception):
    """A service answered with an error that is no refusal."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class _Refusal(Exception):
    """A service refused."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _is_key(value: Any) -> bool:
    return isinstance(value, str) and value.startswith("arn:aws:kms:")
