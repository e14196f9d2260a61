# SPDX-License-Identifier: MIT
# Types and elements between JSON and NumPy. Elements are texts and lists that lose nothing: integers in decimal, floats as the bits of a float64,
# strings as they are, members of a compound and lists as lists, opaque bytes in hex, references by name.
import struct

import h5py
import numpy as np


def numpy_type(spec):
    if spec == 'string':
        return h5py.string_dtype()
    if isinstance(spec, str):
        return np.dtype(spec)
    kind = spec['type']
    if kind == 'number':
        return np.dtype(spec['number']).newbyteorder('>')
    if kind == 'string':
        return h5py.string_dtype(spec['charset'], spec['length'])
    if kind == 'enum':
        return h5py.enum_dtype(spec['members'], basetype=np.dtype(spec['base']))
    if kind == 'compound':
        return np.dtype([(field['name'], numpy_type(field['dtype'])) for field in spec['fields']])
    if kind == 'array':
        return np.dtype((numpy_type(spec['base']), tuple(spec['shape'])))
    if kind == 'vlen':
        return h5py.vlen_dtype(numpy_type(spec['base']))
    if kind == 'opaque':
        return np.dtype(f'V{spec["size"]}')
    return h5py.ref_dtype


def type_spec(kind):
    text = h5py.check_string_dtype(kind)
    if text is not None:
        return 'string' if text.length is None and text.encoding == 'utf-8' else {'type': 'string', 'length': text.length, 'charset': text.encoding}
    if h5py.check_vlen_dtype(kind) is not None:
        return {'type': 'vlen', 'base': type_spec(h5py.check_vlen_dtype(kind))}
    if h5py.check_ref_dtype(kind) is not None:
        return {'type': 'reference', 'to': 'object' if h5py.check_ref_dtype(kind) is h5py.Reference else 'region'}
    if kind.subdtype is not None:
        return {'type': 'array', 'base': type_spec(kind.base), 'shape': list(kind.shape)}
    if kind.names is not None:
        return {'type': 'compound', 'fields': [{'name': name, 'dtype': type_spec(kind[name])} for name in kind.names]}
    if kind.kind == 'b':
        return 'bool'
    if kind.kind == 'V':
        return {'type': 'opaque', 'size': kind.itemsize}
    word = {'i': 'int', 'u': 'uint', 'f': 'float'}[kind.kind] + str(8 * kind.itemsize)
    members = h5py.check_enum_dtype(kind)
    if members is not None:
        return {'type': 'enum', 'base': word, 'members': dict(sorted(members.items()))}
    return {'type': 'number', 'number': word, 'order': 'big'} if kind.byteorder == '>' else word


def is_float(spec):
    return (spec['number'] if isinstance(spec, dict) and spec['type'] == 'number' else spec) in ('float16', 'float32', 'float64')


def element(text, spec, file):
    """What NumPy stores for an element."""
    kind = spec['type'] if isinstance(spec, dict) else spec
    if kind == 'string':
        return text if spec == 'string' or spec['length'] is None else text.encode('utf-8')
    if kind == 'compound':
        return tuple(element(one, field['dtype'], file) for one, field in zip(text, spec['fields']))
    if kind == 'array':
        return np.array([element(one, spec['base'], file) for one in text], numpy_type(spec['base'])).reshape(spec['shape'])
    if kind == 'vlen':
        return np.array([element(one, spec['base'], file) for one in text], numpy_type(spec['base']))
    if kind == 'opaque':
        return np.void(bytes.fromhex(text))
    if kind == 'reference':
        return file[text].ref if text else h5py.Reference()
    if kind == 'bool':
        return text == '1'
    if is_float(spec):
        return float('nan') if text == 'nan' else struct.unpack('>d', bytes.fromhex(text))[0]
    return int(text)


def values(value, spec, file):
    """A scalar, or an array."""
    if 'shape' not in value:
        one = element(value['data'], spec, file)
        if isinstance(spec, dict) and spec['type'] in ('vlen', 'array', 'opaque', 'reference'):
            return one
        made = np.empty((), numpy_type(spec))
        made[()] = one
        return made[()] if spec == 'string' else made
    flat = [element(one, spec, file) for one in value['data']]
    if isinstance(spec, dict) and spec['type'] == 'array':
        return np.array(flat, numpy_type(spec['base'])).reshape(value['shape'] + spec['shape'])
    made = np.empty(len(flat), numpy_type(spec))
    for index, one in enumerate(flat):
        made[index] = one
    return made.reshape(value['shape'])


def text_of(value, spec, file):
    """The inverse of `element`."""
    kind = spec['type'] if isinstance(spec, dict) else spec
    if kind == 'string':
        return value.decode('utf-8') if isinstance(value, bytes) else str(value)
    if kind == 'compound':
        return [text_of(value[field['name']], field['dtype'], file) for field in spec['fields']]
    if kind in ('array', 'vlen'):
        return [text_of(one, spec['base'], file) for one in np.asarray(value).reshape(-1)]
    if kind == 'opaque':
        return value.tobytes().hex()
    if kind == 'reference':
        name = h5py.h5r.get_name(value, file.id) if value else None
        return None if name is None else name.decode()
    if is_float(spec):
        number = float(value)
        return 'nan' if number != number else struct.pack('>d', number).hex()
    return str(int(value))


def array_of(value, shape, spec, file):
    """`shape` without the axes of an array type."""
    if isinstance(spec, dict) and spec['type'] == 'array':
        base, shape = spec['base'], list(shape) + spec['shape']
    else:
        base = spec
    if len(shape) == 0:
        return {'shape': [], 'data': [text_of(value if not isinstance(value, np.ndarray) or base != spec or value.shape != () else value[()], base, file)]}
    return {'shape': list(shape), 'data': [text_of(one, base, file) for one in np.asarray(value).reshape(-1)]}


def selection(parts):
    return tuple(Ellipsis if part == '...' else slice(*part) if isinstance(part, list) else slice(None) if part is None else part for part in parts)


def shape_of(dataset, chosen):
    return np.broadcast_to(np.int8(0), dataset.shape)[chosen].shape


def read(dataset, parts):
    spec = type_spec(dataset.id.dtype)
    chosen = selection(parts)
    return array_of(dataset[chosen], shape_of(dataset, chosen), spec, dataset.file)
