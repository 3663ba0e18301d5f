"""Random ways from configuration to configuration, each compared with the same made from nothing.

Two daemons, each in a namespace with the same ports: the first goes from one configuration to the
next, the second makes each from nothing: what is joined with anything that has changed is removed and
made anew, and every now and then all there is. After each step both kernels must have the same; what is
refused, by the kernel's rules or because any one message was spoiled, must leave what was there before;
nothing more is sent once a step is done; and a daemon that starts anew finds nothing to do. Meanwhile
somebody else removes and changes what is configured, and has things of his own, which stay.

TEST_SEED is where chance begins, TEST_ROUNDS how many steps there are. TEST_AMID is the share of steps in
whose midst, between any two messages to the kernel, somebody else acts. A step that fails is made
smaller and printed as a line that TEST_REPLAY takes. TEST_FAILURES is how many are too many.
"""

import collections
import contextlib
import copy
import json
import os
import random
import signal
import subprocess
import time

import pytest

from ashlar import config, model
from ashlar.daemon import Daemon
from ashlar.netconf import Closed, RpcError
from ashlar.netlink import Watch
from ashlar.snapshot import Kernel
from ashlar.strike import REFUSE, STOP, Strike, stopped

pytestmark = pytest.mark.time_travel

SEED = int(os.environ.get("TEST_SEED", "1"))
ROUNDS = int(os.environ.get("TEST_ROUNDS", "1000"))
AMID = float(os.environ.get("TEST_AMID", "0"))
WHOLE = 40  # every how manieth reference is made from nothing at all
SHRINK = int(os.environ.get("TEST_SHRINK", "300"))
FAILURES = int(os.environ.get("TEST_FAILURES", "1"))
REPLAY = os.environ.get("TEST_REPLAY")
FOREIGN = "xn"  # how names of links of others begin; their addresses are in 10.90.0.0/16
WAIT, SHORT_WAIT = 8, 2
BOND_LACP = "04"
IPV6_DISABLED, HAD_OWN, HAD_MAC = 26, 12, 8
OPTIONS = os.environ.get("TEST_OPTIONS", "").split()

X25519 = {"private-key-format": "infix-crypto-types:x25519-private-key-format",
          "public-key-format": "infix-crypto-types:x25519-public-key-format"}
PRIVATE = "dwdtCnMYpX08FsFyUbJmRd9ML4frwJkqsXf7pR25LCo="
PUBLIC = "3p7bfXt9wbTTW2HC7OQ1Nz+DQ8hbeGdNrfx+FG+IK08="


def startup():
    return {
        **config.interfaces(*model.ALWAYS),
        "ietf-system:system": {"authentication": {"user": [config.user(config.USER)]}},
        "ietf-keystore:keystore": {"asymmetric-keys": {"asymmetric-key": [
            {"name": "a", **X25519, "cleartext-private-key": PRIVATE}]}},
        "ietf-truststore:truststore": {"public-key-bags": {"public-key-bag": [
            {"name": "mesh", "public-key": [
                {"name": "b", "public-key-format": X25519["public-key-format"],
                 "public-key": PUBLIC}]}]}},
    }


class Failure(AssertionError):
    """What is not as it should be, line by line."""

    def __init__(self, what, lines=()):
        super().__init__("\n".join([what, *lines[:30]]))


class Device:
    """A daemon in its namespace, and what it was told last."""

    def __init__(self, net, directory):
        self.net = net
        for number, port in enumerate(model.PORTS, 1):
            net.ip(f"link set {port} address 02:00:01:00:00:{number:02x}")
        self.kernel = Kernel(net)
        directory.mkdir(parents=True)
        self.strike = Strike(directory)
        self.daemon = Daemon(net, directory, startup(), options=OPTIONS,
                             environment=self.strike.environment).start()
        self.session = self.daemon.local()
        self.conf = model.EMPTY

    def close(self):
        with contextlib.ExitStack() as closing:
            for part in self.strike, self.daemon, self.kernel, self.session:
                closing.callback(part.close)

    def restart(self):
        self.session.close()
        self.daemon.restart()
        self.session = self.daemon.local()

    def prepare(self, dice, conf, how):
        """The operation that makes it so, with what must come before it done; "" for none."""
        xml = model.edit_xml(dice, self.conf, conf, whole=how == "whole")
        edit = "<edit-config><target><{}/></target><config>" + xml + "</config></edit-config>"
        if how not in ("commit", "cancel"):
            return edit.format("running") if xml else ""
        self.session.ok("<discard-changes/>")
        self.session.ok(edit.format("candidate"))
        return "<commit><confirmed/></commit>" if how == "cancel" else "<commit/>"

    def go(self, dice, conf, how="edit"):
        if operation := self.prepare(dice, conf, how):
            self.session.ok(operation)
        self.conf = conf

    def go_amid(self, dice, conf, how, at, act):
        """The same, and act() before the ATth change of the kernel, if there are so many."""
        if operation := self.prepare(dice, conf, how):
            try:
                with self.strike.order(STOP, at):
                    self.acted(operation, act)
            finally:  # it may be about to stop for what it does after its reply
                self.acted("<discard-changes/>", act)
        self.conf = conf

    def acted(self, operation, act):
        message_id = self.session.request(operation)
        if stopped(self.daemon.process, self.session.stream):
            try:
                act()
            finally:
                self.daemon.process.send_signal(signal.SIGCONT)
        self.session.reply(message_id)


def comparable_link(name, link, configured):
    link = dict(link)
    leaves = configured["leaves"] if configured else {}
    _, mac, origin = (link.pop(part) for part in ("index", "mac", "origin"))
    is_given = "custom-phys-address/static" in leaves and model.LAG not in leaves
    link["mac"] = mac if is_given or name in model.PORTS and model.LAG not in leaves else origin
    if not configured and "ipv6 conf" in link:
        link["ipv6 conf"] = link["ipv6 conf"][3:]
    return usual_link(link)


def usual_link(link):
    """Without what was chosen by chance, or does not matter."""
    link = dict(link)
    mark = int(link["group"], 16)
    if link.get("kind") in ("bridge", "vlan"):
        mark &= ~HAD_OWN  # address and MTU: that it once had them
    if link.get("slave kind") == "bond":
        mark &= ~HAD_MAC  # is still to be given back
        link["names"] = [name for name in link.get("names", ()) if not name.startswith("ashlar+")]
    link["group"] = hex(mark)
    if link.get("bond 1", BOND_LACP) != BOND_LACP:
        for part in "bond 21", "bond 24", "bond 29":  # of LACP
            link.pop(part, None)
    if link.get("kind") == "wireguard" and not int(link["flags"], 16) & 1:
        for part in "ipv4 conf", "ipv6 conf", "ipv6 8":  # its driver sets them when it comes up
            link.pop(part, None)
    if link.get("ipv6 conf", [1] * 99)[IPV6_DISABLED] or not int(link["flags"], 16) & 1:
        link["ipv6 conf"] = link.get("ipv6 conf", ())[3:]  # whether it forwards, and the MTU
    if link.get("origin", "").startswith(("the lowest", "of a", "of below")) or \
            link.get("origin") == "its own" and link["kind"] == "bond":
        link["mac"] = None  # another one when the last port has left
    return link


def usual(state, conf):
    """Of one and the same namespace; routes of others, of which we know nothing, go with their links."""
    links = {name: usual_link(link) for name, link in state["links"].items()}
    for name in set(links) - set(conf["links"]):
        if "ipv6 conf" in links[name]:
            links[name]["ipv6 conf"] = links[name]["ipv6 conf"][1:]  # whether it forwards
    return {**state, "links": links, "routes": without_foreign(state["routes"])}


def without_foreign(routes):
    return {key: value for key, value in routes.items() if not key[0].startswith("10.9")}


def comparable(state, conf=model.EMPTY):
    """Without what differs from namespace to namespace, and without what belongs to others."""
    return {
        **state,
        "links": {name: comparable_link(name, link, conf["links"].get(name))
                  for name, link in state["links"].items() if name[0] not in FOREIGN},
        "addresses": {key: value for key, value in state["addresses"].items()
                      if key[0][0] not in FOREIGN and not key[1].startswith("10.9")},
        "routes": without_foreign(state["routes"]),
    }


class Bench:
    """A device that goes from step to step, and one that makes each configuration from nothing."""

    def __init__(self, make_net, directory):
        self.device = Device(make_net(len(model.PORTS)), directory / "device")
        self.reference = Device(make_net(len(model.PORTS)), directory / "reference")
        self.empty = comparable(self.reference.kernel.read())
        self.watch = Watch(self.device.net)
        self.foreign = {}  # (link, its number, address) that others have given, or a link of theirs
        self.sent = self.referred = 0
        self.seen = collections.Counter()  # what has come of steps
        self.wait = WAIT

    def close(self):
        with contextlib.ExitStack() as closing:  # each, also when another complains
            for part in self.reference, self.device, self.watch:
                closing.callback(part.close)

    @contextlib.contextmanager
    def alive(self):
        """A daemon that has ended, or does not answer any more, is what a failure is about."""
        try:
            yield
        except (Closed, OSError, AssertionError) as error:
            if isinstance(error, Failure):
                raise
            logs = [device.daemon.log[-25:] for device in (self.device, self.reference)
                    if device.daemon.process.poll() is not None]
            raise Failure(f"{error!r}", sum(logs, []))

    def reset(self):
        """As at the beginning, whatever went wrong before."""
        with self.alive():
            with contextlib.suppress(RpcError):
                self.device.session.ok("<cancel-commit/>")
            for device in self.device, self.reference:
                device.go(None, model.EMPTY, "whole")
            self.compare(model.EMPTY)
        for name in self.device.kernel.read()["links"]:
            if name[0] == "x":
                run_if_possible(self.device.net, f"ip link del {name}")
        self.foreign.clear()
        self.watch.changes()

    # --- comparing ----------------------------------------------------------------------------

    def refer(self, conf):
        """Has the reference make from nothing what is joined with anything that is another in CONF."""
        if self.reference.conf == conf:
            return
        self.referred += 1
        if self.referred % WHOLE == 0:
            self.refer_whole(conf)
            return
        self.reference.go(random.Random(0), model.unchanged(self.reference.conf, conf))
        self.reference.go(random.Random(0), conf)

    def refer_whole(self, conf):
        before = self.reference.conf
        self.reference.go(None, model.EMPTY, "whole")
        lines = self.reference.kernel.settled(lambda: self.empty, self.wait, comparable)
        if lines:
            failure = Failure("the way to nothing leaves something", lines)
            failure.case = {"from": before,
                            "step": {"do": "edit", "how": "whole", "to": model.EMPTY}}
            raise failure
        self.reference.go(random.Random(0), conf)

    def compare(self, conf):
        """The device has what the reference has."""
        def expected():
            return comparable(self.reference.kernel.read(), conf)

        def found(state):
            return comparable(state, conf)

        self.refer(conf)
        lines = self.device.kernel.settled(expected, self.wait, found)
        if not lines:
            return
        self.refer_whole(conf)
        if left := self.device.kernel.settled(expected, self.wait, found):
            raise Failure("not what is made from nothing", left)
        raise Failure("the reference was not what is made from nothing", lines)

    def quiet(self, what):
        """Nothing was sent since the last look."""
        sent = self.watch.counts()
        if sent:
            raise Failure(f"{sent} {what}", self.device.daemon.log[-10:])

    def stay(self):
        """What others have made stays, as long as the link that it is on."""
        now = self.device.kernel.read()
        index = {name: link["index"] for name, link in now["links"].items()}
        for (link, number, address), command in list(self.foreign.items()):
            if index.get(link) != number:
                if link[0] in FOREIGN:
                    raise Failure(f"{link}, made by others, is gone")
                del self.foreign[link, number, address]
            elif address and (link, address) not in now["addresses"]:
                raise Failure(f"{address} on {link}, made by others, is gone")

    # --- steps --------------------------------------------------------------------------------

    def run(self, step, dice):
        """One step and all that must be true after it."""
        self.log_begin = len(self.device.daemon.log)
        self.quiet("after the step before")
        with self.alive():
            getattr(self, f"run_{step['do']}")(step, dice)
        self.stay()

    def run_edit(self, step, dice):
        conf = step["to"]
        self.device.go(dice, conf, step["how"])
        self.sent += self.watch.changes()
        self.compare(conf)
        self.quiet("after an edit was done")

    def run_cancel(self, step, dice):
        """A confirmed commit that is taken back."""
        before = self.device.conf
        self.device.go(dice, step["to"], "cancel")
        self.watch.changes()
        self.compare(step["to"])
        self.device.session.ok("<cancel-commit/>")
        self.device.conf = before
        self.watch.changes()
        self.compare(before)
        self.quiet("after a commit was cancelled")

    def run_refused(self, step, dice):
        """What the kernel refuses leaves all as it was."""
        before = self.device.kernel.read()
        try:
            self.device.go(dice, step["to"], step["how"])
        except RpcError as refused:
            self.undone(before, refused, REFUSALS)
        else:
            raise Failure("not refused")

    def run_struck(self, step, dice):
        """The same when any one message is spoiled; what is done without it is done nevertheless."""
        before = self.device.kernel.read()
        try:
            with self.device.strike.order(REFUSE, step["at"]):
                self.device.go(dice, step["to"], step["how"])
        except RpcError as refused:
            self.undone(before, refused, STRIKES)
        else:
            self.seen["spoiled, and done nevertheless"] += self.device.strike.struck != 0
            self.sent += self.watch.changes()
            self.compare(step["to"])

    def undone(self, before, refused, reasons):
        """All is as it was before it was refused, numbers of links, too."""
        conf = self.device.conf
        self.seen["refused"] += 1
        if not any(part in str(refused) for part in reasons):
            raise Failure(f"refused for another reason: {refused}")
        self.device.session.ok("<discard-changes/>")
        self.sent += self.watch.changes()
        lines = self.device.kernel.settled(lambda: usual(before, conf), self.wait,
                                           lambda state: usual(state, conf))
        if lines:
            raise Failure("not what was there before", [str(refused), *lines])
        self.quiet("after a refused edit was undone")

    def run_restart(self, step, dice):
        """A second converge sends nothing."""
        self.device.kernel.wait_carriers()  # after which the kernel resets the MTU of IPv6
        self.compare(self.device.conf)
        self.device.restart()
        changes = self.device.daemon.start_changes()
        if changes:
            raise Failure(f"{changes} changes after a restart: " + "\n".join(
                self.device.daemon.log[-30:]))
        self.quiet("at a restart")
        self.compare(self.device.conf)

    def act(self, step, *confs):
        """What others do: what they harm is configured, however the step ends."""
        there = self.device.kernel.read()["links"]
        for name, words, path in step["commands"]:
            if path == "description" and not is_up(there.get(name)):
                continue  # the kernel tells nobody
            if name == "lo" or all(name in conf["links"] and (
                    path is None or path in conf["links"][name]["leaves"]) for conf in confs):
                run_if_possible(self.device.net, words)

    def note_foreign(self, step):
        state = self.device.kernel.read()
        for link, address in step["added"]:
            if link in state["links"] and (not address or (link, address) in state["addresses"]):
                self.foreign[link, state["links"][link]["index"], address] = True

    def run_foreign(self, step, dice):
        """Somebody else removes, changes and adds."""
        self.act(step, self.device.conf)
        self.compare(self.device.conf)
        self.watch.changes()
        self.note_foreign(step)

    def run_amid(self, step, dice):
        """Somebody else does so in the midst of an edit, which may be refused for it."""
        old, new = self.device.conf, step["to"]
        try:
            self.device.go_amid(dice, new, step["how"], step["at"],
                                lambda: self.act(step, old, new))
        except RpcError:
            self.device.session.ok("<discard-changes/>")
            self.seen["refused for what others did"] += 1
        self.seen["others in its midst"] += self.device.strike.struck != 0
        self.compare(self.device.conf)
        self.sent += self.watch.changes()
        self.note_foreign(step)


def is_up(link):
    return link is not None and int(link["flags"], 16) & 1


def run_if_possible(net, words):
    """What somebody tries may be impossible by now."""
    subprocess.run(["nsenter", f"--net=/run/netns/{net.name}", "--", *words.split()],
                   capture_output=True, timeout=60)


# --- what happens -----------------------------------------------------------------------------------

REFUSALS = ("Nexthop has invalid gateway", "Gateway can not be a local", "No route to host",
            "made by others")
STRIKES = "Operation not permitted", "Input/output error"


def unreachable(conf):
    """A route whose next hop the kernel does not know how to reach: it comes last of all."""
    routes = conf["routes"] + [{"to": "172.17.0.0/24", "subnet": 240, "host": 1}]
    return {"links": conf["links"], "routes": routes}


def damage(dice, conf):
    """What others can do to what is configured: a command, and what of which link it is about."""
    name = dice.choice(sorted(conf["links"]))
    link, leaves = conf["links"][name], conf["links"][name]["leaves"]
    ways = [(f"ip link set {name} down", None) if "enabled" not in leaves else
            (f"ip link set {name} up", "enabled")]
    if name not in model.PORTS:
        ways.append((f"ip link del {name}", None))
    if model.LAG not in leaves:
        ways += [(f"ip link set {name} {words}", path) for words, path in (
            ("mtu 1290", "ipv4/mtu"), ("alias other", "description"),
            ("address 02:00:00:99:99:99", "custom-phys-address/static"),
            ("nomaster", model.BRIDGE)) if path in leaves]
    else:
        ways.append((f"ip link set {name} nomaster", model.LAG))
    if model.BRIDGE in leaves:
        flood = "bridge-port/flood/unicast"
        ways.append((f"bridge link set dev {name} flood {'on' if flood in leaves else 'off'}",
                     model.BRIDGE))
    for vid, members in link.get("vlans", {}).items():
        ways += [(f"bridge vlan del vid {vid} dev {member}{' self' if member == name else ''}",
                  None) for member in members]
    for family in 4, 6:
        path = f"ipv{family}/address"
        ways += [(f"ip address del {model.host(family, address['subnet'], address['host'])}/"
                  f"{24 if family == 4 else 64} dev {name}", path)
                 for address in leaves.get(path, ())]
        path = f"ipv{family}/forwarding"
        if path in leaves:
            ways.append((f"sysctl -q net.ipv{family}.conf.{name.replace('.', '/')}.forwarding=0",
                         path))
    return [name, *dice.choice(ways)]


def some_foreign(dice, conf):
    """[[link that it is about, command, leaf that it is about]], and what it adds to which links."""
    commands, added = [], []
    for _ in range(dice.randint(1, 4)):
        if conf["links"] and model.chance(dice, 0.7):
            commands.append(damage(dice, conf))
            continue
        number, choice = dice.randint(1, 9), dice.randrange(4)
        if choice == 0 or not conf["links"]:
            commands += [["lo", f"ip link add x{number} type dummy", None],
                         ["lo", f"ip link set x{number} up", None]]
            added.append((f"x{number}", None))
            continue
        name = dice.choice(sorted(conf["links"]))
        if choice == 1:
            commands.append([name, f"ip address add 10.90.{number}.1/24 dev {name}", None])
            added.append((name, f"10.90.{number}.1/24"))
        else:
            commands.append([name, f"ip route add 10.91.{number}.0/24 dev {name}", None])
    return {"do": "foreign", "commands": commands, "added": added}


def some_step(dice, conf):
    choice = dice.random()
    if choice < 0.02:
        return {"do": "restart"}
    if choice < 0.10:
        return some_foreign(dice, conf)
    new = model.some_conf(dice, dice.choice((5, 20, 60)), model.MAKERS) \
        if model.chance(dice, 0.1) else model.edited(dice, conf, model.MAKERS)
    if choice < 0.14:
        return {"do": "refused", "how": dice.choice(("edit", "commit")), "to": unreachable(new)}
    at = 1 + int(dice.expovariate(1 / 10))
    if choice < 0.32:
        return {"do": "struck", "how": dice.choice(("edit", "commit")), "to": new, "at": at}
    if choice < 0.32 + AMID:
        return {**some_foreign(dice, conf), "do": "amid", "how": dice.choice(("edit", "commit")),
                "to": new, "at": at}
    if choice < 0.35 + AMID:
        return {"do": "cancel", "to": new}
    return {"do": "edit", "how": dice.choice(("edit", "edit", "edit", "whole", "commit")), "to": new}


# --- a failing step, made smaller --------------------------------------------------------------------


def smaller(case):
    """Cases with less in them, the greatest leaps first."""
    old, step = case["from"], case["step"]
    confs = [old] + ([step["to"]] if "to" in step else [])

    def with_confs(*new):
        return {"from": new[0], "step": {**step, "to": new[1]} if len(new) > 1 else step}

    def without(part):
        new = copy.deepcopy(confs)
        for conf in new:
            part(conf)
            model.repair(conf)
        return with_confs(*new)

    names = sorted({name for conf in confs for name in conf["links"]})
    size = len(names) // 2
    while size:
        for at in range(0, len(names), size):
            yield without(lambda conf: [conf["links"].pop(name, None)
                                        for name in names[at:at + size]])
        size //= 2
    yield without(lambda conf: conf.update(routes=[
        route for route in conf["routes"] if route.get("subnet") == 240]))
    for at in range(len(confs)):
        for name in sorted(confs[at]["links"]):
            new = copy.deepcopy(confs)
            del new[at]["links"][name]
            model.repair(new[at])
            yield with_confs(*new)
    leaves = sorted({(name, path) for conf in confs for name, link in conf["links"].items()
                     for path in link["leaves"]})
    for name, path in leaves:
        if path not in MANDATORY:
            yield without(lambda conf: conf["links"].get(name, {"leaves": {}})["leaves"].pop(path, 0))
            for at in range(len(confs)):
                new = copy.deepcopy(confs)
                new[at]["links"].get(name, {"leaves": {}})["leaves"].pop(path, 0)
                model.repair(new[at])
                yield with_confs(*new)
    for at, conf in enumerate(confs):
        for name, link in conf["links"].items():
            for vid in list(link.get("vlans", ())):
                yield without(lambda conf: conf["links"].get(name, {}).get("vlans", {}).pop(vid, 0))
    for at in range(len(step.get("commands", ()))):
        yield {"from": old, "step": {**step, "commands": [
            words for number, words in enumerate(step["commands"]) if number != at]}}


MANDATORY = {model.PEER, model.LOWER, "vlan/id", "lag/mode", "vxlan/vni", "vxlan/local", "vxlan/remote",
             "gre/local", "gre/remote", "wireguard/private-key", "wireguard/listen-port"}


def shifted(cases):
    """With less to do, what is struck comes sooner."""
    for case in cases:
        yield case
        if at := case["step"].get("at"):
            for less in range(max(1, at - 3), at):
                yield {**case, "step": {**case["step"], "at": less}}


def attempt(make_bench, case):
    """What goes wrong with a case alone; None when nothing does."""
    dice = random.Random(0)
    for is_old in True, False:
        bench = make_bench(is_old)
        bench.wait = SHORT_WAIT
        try:
            bench.reset()
            bench.run({"do": "edit", "how": "edit", "to": case["from"]}, dice)
            break
        except (Failure, RpcError):
            continue
    else:
        return None
    try:
        bench.run(case["step"], dice)
        bench.run({"do": "edit", "how": "whole", "to": model.EMPTY}, dice)
    except (Failure, RpcError) as failure:
        return str(failure)


def smallest(make_bench, case, failure, limit=SHRINK):
    """The smallest of a failing case that still fails, and how."""
    for _ in range(min(limit, 3)):
        if found := attempt(make_bench, case):
            break
    else:
        return case, failure + "\n(only after what went before)"
    failure, is_smaller = found, True
    while is_smaller and limit > 0:
        is_smaller = False
        for less in shifted(smaller(case)):
            limit -= 1
            if limit > 0 and json.dumps(less) != json.dumps(case) and (
                    found := attempt(make_bench, less)):
                case, failure, is_smaller = less, found, True
                break
    return case, failure


@pytest.fixture
def make_bench(make_net, tmp_path):
    """make_bench(): the one there is while it is good, a new one after it has failed."""
    benches = []

    def make(is_old=False):
        if is_old and benches:
            return benches[-1]
        while benches:
            with contextlib.suppress(Exception):
                benches.pop().close()
        benches.append(Bench(make_net, tmp_path / str(len(list(tmp_path.iterdir())))))
        return benches[-1]

    yield make
    with contextlib.ExitStack() as closing:
        for bench in benches:
            closing.callback(bench.close)


def report(make_bench, number, case, failure):
    """What failed, as small as it gets, and how to see it again."""
    case, failure = smallest(make_bench, case, failure)
    return f"step {number} of TEST_SEED={SEED}: {failure}\nTEST_REPLAY='{json.dumps(case)}'"


def tell(request, record_property):
    """Where chance begins, also when nothing fails."""
    record_property("TEST_SEED", SEED)
    request.config.pluginmanager.getplugin("terminalreporter").write_line(
        f"TEST_SEED={SEED} TEST_ROUNDS={ROUNDS}")


@pytest.mark.timeout(0)
def test_model(make_bench, request, record_property):
    dice, bench = random.Random(SEED), make_bench()
    tell(request, record_property)
    if REPLAY:
        case = json.loads(REPLAY if REPLAY[0] == "{" else open(REPLAY).read())
        for _ in range(ROUNDS):
            if failure := attempt(make_bench, case):
                break
        if "--log-level" in OPTIONS:
            print("\n".join(make_bench(True).device.daemon.log))
        assert not failure, failure
        return
    begin, failures = time.monotonic(), []
    for number in range(ROUNDS):
        step = some_step(dice, bench.device.conf)
        case = {"from": bench.device.conf, "step": step}
        try:
            bench.run(step, dice)
        except (Failure, RpcError) as failure:
            case = getattr(failure, "case", case)
            if OPTIONS:
                print("\n".join(bench.device.daemon.log))
            failures.append(report(make_bench, number, case, str(failure)))
            print(failures[-1], flush=True)
            if len(failures) == FAILURES:
                break
            bench = make_bench()
        if number % 100 == 99:
            print(f"{number + 1} steps, {bench.sent} messages, "
                  f"{time.monotonic() - begin:.1f} s, {dict(bench.seen)}", flush=True)
    assert failures or ROUNDS < 300 or bench.seen["refused"] > ROUNDS // 50
    if failures:
        pytest.fail("\n\n".join(failures), pytrace=False)
