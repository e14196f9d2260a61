# SPDX-License-Identifier: MIT
# kazoo's clients and locks, told by lines of JSON what to do. What belongs to one lock is done in order, everything else at the same time.
import json
import logging
import queue
import sys
import threading

from kazoo.client import KazooClient
from kazoo.exceptions import LockTimeout, NoNodeError
from kazoo.protocol.states import KazooState
from kazoo.security import ACL, Id, Permissions

logging.disable(logging.CRITICAL)

STATES = {KazooState.CONNECTED: 'connected', KazooState.SUSPENDED: 'suspended', KazooState.LOST: 'lost'}
PERMISSIONS = {'r': Permissions.READ, 'w': Permissions.WRITE, 'c': Permissions.CREATE, 'd': Permissions.DELETE, 'a': Permissions.ADMIN}
# The delays that kazoo starts with are made for busy data centres.
RETRY = {'max_tries': -1, 'delay': 0.05, 'max_delay': 0.5}

clients = []
locks = []


class Client:
    def __init__(self, hosts, timeout, auth):
        self.states = []
        self.changed = threading.Condition()
        auth_data = [] if auth is None else [('digest', auth)]
        self.kazoo = KazooClient(hosts=hosts, timeout=timeout, auth_data=auth_data, randomize_hosts=False, connection_retry=RETRY)
        self.kazoo.add_listener(self.listen)
        try:
            self.kazoo.start(timeout=10)
        except Exception:
            self.kazoo.close()
            raise

    def listen(self, state):
        with self.changed:
            self.states.append(STATES[state])
            self.changed.notify_all()

    def reaches(self, state):
        with self.changed:
            self.changed.wait_for(lambda: self.states[-1:] == [state])


def add(everything, one):
    everything.append(one)
    return len(everything) - 1


def connect(message):
    client = Client(message['hosts'], message['sessionTimeoutMs'] / 1000, message['auth'])
    client.reaches('connected')
    return {'client': add(clients, client), 'session': '%x' % (client.kazoo.client_id[0] & (2**64 - 1))}


def make_lock(message):
    kazoo = clients[message['client']].kazoo
    kind, path, identifier = message['kind'], message['path'], message['identifier']
    if kind == 'Semaphore':
        return add(locks, kazoo.Semaphore(path, identifier, max_leases=message['maxLeases']))
    return add(locks, getattr(kazoo, kind)(path, identifier, message['extraPatterns']))


def acquire(message):
    timeout = message['timeoutMs']
    try:
        if timeout is None:
            return locks[message['lock']].acquire()
        if timeout == 0:
            return locks[message['lock']].acquire(blocking=False)
        return locks[message['lock']].acquire(timeout=timeout / 1000)
    except LockTimeout:
        return False


def get(kazoo, message):
    try:
        data, stat = kazoo.get(message['path'])
    except NoNodeError:
        return None
    names = ['czxid', 'mzxid', 'pzxid', 'ephemeralOwner', 'ctime', 'mtime', 'version', 'cversion', 'aversion', 'dataLength', 'numChildren']
    return {'data': data.decode(errors='replace'), 'stat': {name: str(getattr(stat, name)) for name in names}}


def create(kazoo, message):
    acl = None
    if message['acl'] is not None:
        acl = [ACL(sum(PERMISSIONS[p] for p in a['permissions']), Id(a['scheme'], a['id'])) for a in message['acl']]
    return kazoo.create(
        message['path'], message['data'].encode(), acl=acl, ephemeral=message['ephemeral'], sequence=message['sequential'], makepath=message['parents']
    )


def acls(kazoo, message):
    found, _ = kazoo.get_acls(message['path'])
    return [
        {'scheme': a.id.scheme, 'id': a.id.id, 'permissions': ''.join(p for p in 'cdrwa' if a.perms & PERMISSIONS[p])} for a in found
    ]


def close(message):
    kazoo = clients[message['client']].kazoo
    kazoo.stop()
    kazoo.close()


def by(work):
    return lambda message: work(clients[message['client']].kazoo, message)


OPERATIONS = {
    'hello': lambda message: None,
    'connect': connect,
    'states': lambda message: clients[message['client']].states,
    'reaches': lambda message: clients[message['client']].reaches(message['state']),
    'close': close,
    'lock': make_lock,
    'acquire': acquire,
    'release': lambda message: locks[message['lock']].release() and None,
    'cancel': lambda message: locks[message['lock']].cancel(),
    'contenders': lambda message: locks[message['lock']].contenders(),
    'children': by(lambda kazoo, message: sorted(kazoo.get_children(message['path']))),
    'get': by(get),
    'create': by(create),
    'set': by(lambda kazoo, message: kazoo.set(message['path'], message['data'].encode()) and None),
    'delete': by(lambda kazoo, message: kazoo.delete(message['path'], recursive=message['recursive']) and None),
    'acls': by(acls),
}

# These do not wait for what else was asked of a lock.
AT_ONCE = {'cancel', 'contenders'}

speaking = threading.Lock()
lanes = {}


def carry_out(message):
    try:
        answer = {'answer': OPERATIONS[message['do']](message)}
    except Exception as error:
        answer = {'error': {'name': type(error).__name__, 'message': str(error)}}
    with speaking:
        print(json.dumps({'id': message['id'], **answer}), flush=True)


def work_off(lane):
    while True:
        carry_out(lane.get())


for line in sys.stdin:
    request = json.loads(line)
    if 'lock' not in request or request['do'] in AT_ONCE:
        threading.Thread(target=carry_out, args=[request], daemon=True).start()
        continue
    lock = request['lock']
    if lock not in lanes:
        lanes[lock] = queue.SimpleQueue()
        threading.Thread(target=work_off, args=[lanes[lock]], daemon=True).start()
    lanes[lock].put(request)
