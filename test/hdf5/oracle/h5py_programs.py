# SPDX-License-Identifier: MIT
# Programs of operations done by h5py. Where it lets pass what is wrong, or leaves half of what it refuses, it is held to what it means.
import h5py
import numpy as np
from h5py._hl import selections
from h5py_elements import numpy_type, read, selection, shape_of, type_spec, values


def create(f, path, spec, shape=None, data=None, chunks=None, maxShape=None, gzip=None, shuffle=None, fillValue=None, overwrite=False):
    kind = numpy_type(spec)
    # Without it a dataset of no chunks holds whatever was in its place before.
    creation = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    creation.set_fill_time(h5py.h5d.FILL_TIME_ALLOC)
    options = {'dcpl': creation, 'chunks': None if chunks is None else True if chunks is True else tuple(chunks)}
    if maxShape is not None:
        options['maxshape'] = tuple(maxShape)
    if gzip is not None:
        options.update(compression='gzip', compression_opts=gzip)
    if shuffle:
        options['shuffle'] = True
    if fillValue is not None:
        options['fillvalue'] = values({'data': fillValue}, spec, f)
    content = None if data is None else values(data, spec, f)
    # Under another name first, so that what is refused leaves what was there.
    at = path + ' (new)' if overwrite and is_there(f, path) else path
    if isinstance(spec, dict) and spec['type'] in ('array', 'vlen', 'reference', 'opaque') and content is not None:
        store(f.create_dataset(at, tuple(data.get('shape', [])), kind, **options), (), content, spec)
    else:
        f.create_dataset(at, None if shape is None else tuple(shape), kind, content, **options)
    if at != path:
        del f[path]
        f.move(at, path)


def store(dataset, chosen, content, spec):
    """Assigns, also where h5py takes lists for axes, and refuses what it only lets pass where nothing is selected."""
    inner = tuple(spec['shape']) if isinstance(spec, dict) and spec['type'] == 'array' else ()
    shape = shape_of(dataset, chosen)
    lists = isinstance(spec, dict) and spec['type'] == 'vlen'
    if lists and not (isinstance(content, np.ndarray) and content.dtype == object):
        content = one_object(content)
    if 0 in shape:
        np.broadcast_to(np.empty(np.shape(content)[:np.ndim(content) - len(inner)]), shape)
    elif lists:
        whole = np.empty(shape, object)
        whole[...] = content
        low = selections.select(dataset.shape, chosen, dataset)
        dataset.id.write(h5py.h5s.create_simple(shape) if shape else h5py.h5s.create(h5py.h5s.SCALAR), low.id, np.array(whole, numpy_type(spec)), h5py.h5t.py_create(numpy_type(spec)))
    else:
        dataset[chosen] = np.broadcast_to(content, shape + inner) if inner else content


def one_object(content):
    made = np.empty((), object)
    made[()] = content
    return made


def step(f, op):
    """Does one operation; what it answers must be equal on both sides, too."""
    what, path = op['do'], op.get('path')
    if what == 'createGroup':
        f.create_group(path)
    elif what == 'requireGroup':
        f.require_group(path)
    elif what == 'createDataset':
        create(f, path, op['dtype'], **op['options'])
    elif what == 'write':
        dataset = dataset_at(f, path, op['dtype'])
        store(dataset, selection(op['selection']), values(op['value'], op['dtype'], f), op['dtype'])
    elif what == 'read':
        return read(dataset_at(f, path), op['selection'])
    elif what == 'resize':
        dataset_at(f, path).resize(op['shape'])
    elif what == 'append':
        dataset, shape = dataset_at(f, path, op['dtype']), op['value']['shape']
        # A value of an axis less is a row.
        start, rows = dataset.shape[0], shape[0] if len(shape) == dataset.ndim else 1
        if len(shape) < dataset.ndim - 1:
            fail('less than a row')
        np.broadcast_to(np.broadcast_to(np.int8(0), shape), (rows, *dataset.shape[1:]))
        added = values(op['value'], op['dtype'], f)
        dataset.resize(start + rows, 0)
        store(dataset, np.s_[start:], added, op['dtype'])
        return start
    elif what == 'setAttribute':
        target, spec = f[path], op['dtype']
        value, shape = values(op['value'], spec, f), op['value'].get('shape', [])
        if isinstance(spec, dict) and spec['type'] == 'vlen':
            # As it is: h5py takes what is inside of an element for more of them.
            if op['name'] in target.attrs:
                del target.attrs[op['name']]
            space = h5py.h5s.create_simple(tuple(shape)) if shape else h5py.h5s.create(h5py.h5s.SCALAR)
            made = h5py.h5a.create(target.id, op['name'].encode(), h5py.h5t.py_create(numpy_type(spec), logical=True), space)
            if 0 not in shape:
                made.write(np.array(value if shape else one_object(value), numpy_type(spec)))
            return
        inner = spec['shape'] if isinstance(spec, dict) and spec['type'] == 'array' else []
        target.attrs.create(op['name'], value, dtype=numpy_type(spec), shape=tuple([*shape, *inner]))
    elif what == 'deleteAttribute':
        del f[path].attrs[op['name']]
    elif what == 'delete':
        del f[path]
    elif what == 'link':
        link = op['link']
        if link['type'] == 'soft':
            f[path] = h5py.SoftLink(link['target'])
        elif link['type'] == 'external':
            f[path] = h5py.ExternalLink(link['file'], link['target'])
        else:
            f[path] = f[link['target']]
    elif what == 'has':
        # It says so of links that lead nowhere, too.
        return path in f and is_object(f, path)
    elif what == 'keys':
        return sorted(f[path].keys()) if isinstance(f[path], h5py.Group) else fail('no group')
    elif what == 'visit':
        found = []
        f[path].visit(lambda name: found.append(name) if True else None)
        return found


def dataset_at(f, path, spec=None):
    found = f[path]
    if not isinstance(found, h5py.Dataset) or spec is not None and type_spec(found.id.dtype) != spec:
        fail('no dataset, or one of other elements')
    return found


def fail(message):
    raise TypeError(message)


def run(path, libver, operations):
    results = []
    with h5py.File(path, 'w', libver=libver) as f:
        for op in operations:
            missing = first_missing(f, op['path'])
            try:
                results.append({'answer': step(f, op)})
            except Exception as error:
                # The groups on the way to what it then did not make.
                for made in (missing, f'{op["path"]} (new)'):
                    if made is not None and is_there(f, made):
                        del f[made]
                results.append({'error': f'{type(error).__name__}: {error}'})
    return results


def is_object(f, path):
    try:
        return f[path] is not None
    except (KeyError, OSError, RuntimeError):
        return False


def is_there(f, path):
    base, _, name = path.rpartition('/')
    try:
        group = f[base or '/']
        return isinstance(group, h5py.Group) and name in list(group)
    except (KeyError, OSError, RuntimeError):
        return False


def first_missing(f, path):
    """Of the names that lead to an object, as a path; None when they lead to one, or nowhere."""
    group, names = f, path.strip('/').split('/')
    for depth, name in enumerate(names, 1):
        if name == '' or not isinstance(group, h5py.Group):
            return None
        if name not in list(group):
            return '/' + '/'.join(names[:depth])
        try:
            group = group[name]
        except (KeyError, OSError, RuntimeError):
            return None
    return None
