# SPDX-License-Identifier: MIT
# What h5py makes of the same work: one process answers one JSON document a line with another.
import json
import sys
import traceback

import h5py
import numpy as np
from h5py_elements import array_of, read, text_of, type_spec
from h5py_programs import run


def attributes(thing, file):
    found = {}
    for name in thing.attrs:
        low = thing.attrs.get_id(name)
        spec = type_spec(low.dtype)
        value = thing.attrs[name]
        if isinstance(value, h5py.Empty):
            found[name] = {'dtype': spec, 'value': None}
        else:
            found[name] = {'dtype': spec, 'value': array_of(value, low.shape, spec, file)}
    return found


def describe(thing, file):
    found = {'attributes': attributes(thing, file)}
    if isinstance(thing, h5py.Group):
        return {**found, 'kind': 'group', 'keys': sorted(thing)}
    if isinstance(thing, h5py.Datatype):
        return {**found, 'kind': 'datatype', 'dtype': type_spec(thing.dtype)}
    spec = type_spec(thing.id.dtype)
    found.update(kind='dataset', dtype=spec, shape=None, maxShape=None, chunks=None, filters=[], value=None, fill=None)
    if thing.shape is not None:
        creation = thing.id.get_create_plist()
        found.update(shape=list(thing.shape), maxShape=list(thing.maxshape), chunks=None if thing.chunks is None else list(thing.chunks))
        found['filters'] = [[creation.get_filter(i)[0], list(creation.get_filter(i)[2])] for i in range(creation.get_nfilters())]
        found['value'] = read(thing, ['...'] if thing.shape else [])
        if isinstance(spec, str) and spec != 'string':
            found['fill'] = text_of(thing.fillvalue, spec, file)
    return found


def dump(path):
    objects = {}

    def enter(group, at):
        for name in sorted(group):
            here = f'{at}/{name}'
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.SoftLink):
                objects[here] = {'kind': 'link', 'link': {'type': 'soft', 'target': link.path}}
            elif isinstance(link, h5py.ExternalLink):
                objects[here] = {'kind': 'link', 'link': {'type': 'external', 'file': link.filename, 'target': link.path}}
            else:
                objects[here] = describe(group[name], group.file)
                if isinstance(group[name], h5py.Group):
                    enter(group[name], here)

    with h5py.File(path, 'r') as f:
        objects['/'] = describe(f['/'], f)
        enter(f, '')
    return objects


def make_for_writer(path, libver, userblock):
    """A file for a writer to write."""
    with h5py.File(path, 'w', libver=libver, userblock_size=userblock) as f:
        f.create_dataset('zipped', data=np.arange(400 * 300, dtype='<i4').reshape(400, 300), chunks=(50, 60), compression='gzip', compression_opts=1)
        f.create_dataset('grid', data=np.random.default_rng(1).random((200, 200)))
        f.create_dataset('log', (0,), '<i8', maxshape=(None,), chunks=(500,))
        f.create_dataset('texts', (20,), h5py.string_dtype())
        f.create_group('objects')
        f.attrs['made by'] = 'h5py'


def try_open(path):
    try:
        with h5py.File(path, 'r') as f:
            f.visititems(lambda name, thing: thing[()] if isinstance(thing, h5py.Dataset) and thing.shape is not None else None)
        return 'opened'
    except OSError as error:
        return str(error)


WORK = {'run': run, 'dump': dump, 'make for writer': make_for_writer, 'try': try_open}

for line in sys.stdin:
    what, *words = json.loads(line)
    try:
        answer = {'answer': WORK[what](*words)}
    except Exception as error:
        answer = {'error': f'{type(error).__name__}: {error}', 'trace': traceback.format_exc()}
    print(json.dumps(answer), flush=True)
