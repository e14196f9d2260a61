# SPDX-License-Identifier: MIT
# Makes a file with every kind of data that h5py can write, and says what h5py reads in files: one JSON document, values as texts that lose nothing.
import json
import os
import struct
import sys

import h5py
import numpy as np


def make(path):
    with h5py.File(path, 'w') as f:
        for code in ('i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8'):
            for order in '<>':
                kind = np.dtype(order + code)
                info = np.finfo(kind) if code[0] == 'f' else np.iinfo(kind)
                f.create_dataset(f'numbers/{"big" if order == ">" else "little"}/{code}', data=np.array([info.min, info.max, 0, 1, 5], kind))
        f['special'] = np.array([np.nan, np.inf, -np.inf, -0.0, 5e-324])
        f['halves'] = np.array([np.nan, np.inf, -0.0, 6e-8, 1.5], '<f2')
        f['scalar'] = np.int64(-(2**63))
        f['bool'] = np.array([[True, False], [False, True]])
        f['bool scalar'] = np.bool_(True)
        f['no rows'] = np.zeros((0, 3), 'f4')
        f['no columns'] = np.zeros((2, 0, 4), 'i8')
        f['empty'] = h5py.Empty('f8')
        f['long double'] = np.longdouble(1.5)
        big = h5py.enum_dtype({'A': 1, 'B': 258, 'C': -3}, basetype='>i2')
        little = h5py.enum_dtype({'A': 1, 'B': 258, 'C': -3}, basetype='<i2')
        for name, kind in (('big enum', big), ('little enum', little)):
            f.create_dataset(name, data=np.array([1, 258, -3, 1], kind), dtype=kind)
        for name, fields in {
            'little': [('a', '<i4'), ('b', '<f4')],
            'big': [('a', '>i4'), ('b', '>f4')],
            'mixed': [('a', '>i4'), ('b', '<f4'), ('c', '>u2')],
            'big with text': [('a', '>i4'), ('b', 'S3'), ('c', '>i2')],
            'mixed with text': [('a', '>i4'), ('b', 'S3'), ('c', '<i2')],
            'big with array': [('a', '>i4', (2, 2)), ('b', '>f4')],
            'big with half': [('a', '>f2'), ('b', '<f2')],
            'big around enum': [('a', '>i4'), ('b', big), ('c', '>i4')],
            'enum first': [('a', big), ('b', '>f8')],
            'nested': [('a', '>i2'), ('b', [('c', '>f8'), ('d', [('e', 'S2'), ('f', '>u4')])])],
            'nested enum': [('a', [('b', '>i2'), ('c', big)]), ('d', '>i4')],
            'array of enums': [('a', big, (2,)), ('b', '>i4')],
            'array of compounds': [('a', [('b', '>i2'), ('c', 'S1')], (2,)), ('d', '?')],
            'with bool': [('a', '?'), ('b', 'u1')],
        }.items():
            kind = np.dtype(fields)
            data = np.frombuffer(bytes((7 * i + 65) % 60 + 65 for i in range(3 * kind.itemsize)), 'u1').copy()
            data = data.view(kind)
            fix(data)
            f.create_dataset(f'compound/{name}', data=data)
        text = h5py.string_dtype()
        row = np.dtype([('name', text), ('values', h5py.vlen_dtype(np.dtype('<i4'))), ('n', '<i4')])
        rows = np.empty(3, row)
        for i in range(3):
            rows[i] = ('näme' * i, np.arange(i, dtype='<i4'), i)
        f['compound/with pointers'] = rows
        f['compound/with pointers'].attrs.create('also', np.array([('ä', 2)], [('name', text), ('n', '>i2')]))
        for order in '<>':
            array = h5py.h5t.array_create(h5py.h5t.py_create(np.dtype(order + 'i4')), (3, 2))
            space = h5py.h5s.create_simple((2,))
            made = h5py.h5d.create(f.id, f'array {"big" if order == ">" else "little"}'.encode(), array, space)
            made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.arange(12, dtype=order + 'i4').reshape(2, 3, 2), array)
        lists = f.create_dataset('lists', (3,), h5py.vlen_dtype(np.dtype('f8')))
        lists[0], lists[2] = np.arange(3.0), np.arange(1.0)
        for name, kind in (('bits little', h5py.h5t.STD_B16LE), ('bits big', h5py.h5t.STD_B16BE)):
            made = h5py.h5d.create(f.id, name.encode(), kind, h5py.h5s.create_simple((3,)))
            made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([1, 256, 65535], 'u2'), h5py.h5t.NATIVE_B16 if hasattr(h5py.h5t, 'NATIVE_B16') else kind)
        opaque = np.array([b'ab\0c', b'\xff\0\0\0'], 'V4')
        f['opaque'] = opaque
        f['text'] = 'häé 漢字 🙂'
        f['texts'] = np.array(['', 'a', 'ÿ' * 40], dtype=object)
        f.create_dataset('ascii texts', data=[b'abc', b''], dtype=h5py.string_dtype('ascii'))
        f['fixed texts'] = np.array([b'abc', b'', b'de'], 'S3')
        f.create_dataset('fixed utf-8', data=np.array(['é'.encode(), b'abcde'], h5py.string_dtype('utf-8', 6)))
        for name, padding in (('terminated', h5py.h5t.STR_NULLTERM), ('nul', h5py.h5t.STR_NULLPAD), ('space', h5py.h5t.STR_SPACEPAD)):
            kind = h5py.h5t.C_S1.copy()
            kind.set_size(6)
            kind.set_strpad(padding)
            made = h5py.h5d.create(f.id, f'padded {name}'.encode(), kind, h5py.h5s.create_simple((2,)))
            made.write(h5py.h5s.ALL, h5py.h5s.ALL, np.array([b'ab', b'abcde'], 'S6'))
        f['group/datatype'] = np.dtype([('x', 'f4'), ('y', 'f4')])
        f.create_dataset('of named type', (2,), f['group/datatype'])
        f['reference'] = f['group'].ref
        f.create_dataset('references', data=[f['scalar'].ref, f['group/datatype'].ref, h5py.Reference()], dtype=h5py.ref_dtype)
        f.create_dataset('region', data=f['special'].regionref[1:3], dtype=h5py.regionref_dtype)
        f.create_dataset('gzip', data=np.arange(600).reshape(30, 20), chunks=(7, 6), maxshape=(None, 40), compression='gzip', shuffle=True, fletcher32=True)
        f.create_dataset('scaled', data=np.arange(100), chunks=(10,), scaleoffset=0)
        f.create_dataset('unwritten', (3, 3), 'f4', chunks=(2, 2), fillvalue=7)
        f.create_dataset('compact', data=np.arange(4))
        for name, value in {
            'int': 3, 'text': 'ä', 'bytes': np.bytes_(b'xy'), 'float': 2.5, 'bool': True, 'array': np.arange(6).reshape(2, 3), 'empty': h5py.Empty('i4'),
            'texts': ['a', 'bc'], 'nothing': np.zeros(0), 'reference': f['scalar'].ref, 'half': np.float16(0.1), 'enum': np.array(258, big), 'ünï/cöde @': 1,
        }.items():
            f['group'].attrs[name] = value
        f['group'].attrs.create('typed enum', np.array([1, 258], big), dtype=big)
        f['group'].attrs.create('big', np.arange(3, dtype='>i8'))
        ordered = f.create_group('ordered', track_order=True)
        for name in 'zay':
            ordered[name] = ord(name)
            ordered.attrs[name] = ord(name)
        f['ordered/again'] = f['numbers']
        f['ordered/up'] = f['/']
        f['ünï'] = f['scalar']
        f['soft'] = h5py.SoftLink('/group/datatype')
        f['relative/link'] = h5py.SoftLink('../no such thing')
        f['relative/good'] = 1
        f['relative/near'] = h5py.SoftLink('good')
        f['dangling'] = h5py.SoftLink('/nowhere/at all')
        f['loop'] = h5py.SoftLink('/loop')
        f['this way'] = h5py.SoftLink('/that way')
        f['that way'] = h5py.SoftLink('/this way')
        f['outside'] = h5py.ExternalLink('outside.h5', '/data')
        f['outside group'] = h5py.ExternalLink('outside.h5', '/')
        f['missing file'] = h5py.ExternalLink('missing.h5', '/data')
        f['missing object'] = h5py.ExternalLink('outside.h5', '/nothing')
        f['self'] = h5py.ExternalLink(os.path.basename(path), '/scalar')
    with h5py.File(os.path.join(os.path.dirname(path), 'outside.h5'), 'w') as f:
        f['data'] = np.arange(5)
        f['deep/er'] = 1
        f['back'] = h5py.ExternalLink(os.path.basename(path), '/outside')


def fix(data):
    """Values that the types can have."""
    for name in data.dtype.names:
        kind = data.dtype[name]
        base = kind.base
        if base.names:
            fix(data[name])
        elif h5py.check_enum_dtype(base):
            data[name] = 258
        elif base.kind == 'b':
            data[name] = True


def dtype(kind):
    text = h5py.check_string_dtype(kind)
    if text is not None:
        if text.length is None and text.encoding == 'utf-8':
            return 'string'
        return {'type': 'string', 'length': text.length, 'charset': text.encoding}
    if h5py.check_vlen_dtype(kind) is not None:
        return {'type': 'vlen', 'base': dtype(h5py.check_vlen_dtype(kind))}
    if h5py.check_ref_dtype(kind) is not None:
        return {'type': 'reference', 'to': 'object' if h5py.check_ref_dtype(kind) is h5py.Reference else 'region'}
    if kind.subdtype is not None:
        return {'type': 'array', 'base': dtype(kind.base), 'shape': list(kind.shape)}
    if kind.names is not None:
        if kind.names == ('r', 'i'):
            pass
        return {'type': 'compound', 'fields': [{'name': name, 'dtype': dtype(kind[name])} for name in kind.names]}
    if kind.kind == 'b':
        return 'bool'
    if kind.kind == 'V' or kind.itemsize > 8:
        return {'type': 'opaque', 'size': kind.itemsize}
    word = {'i': 'int', 'u': 'uint', 'f': 'float'}[kind.kind] + str(8 * kind.itemsize)
    members = h5py.check_enum_dtype(kind)
    if members is not None:
        return {'type': 'enum', 'base': word, 'members': members}
    return {'type': 'number', 'number': word, 'order': 'big'} if kind.byteorder == '>' else word


def shown(value, file):
    if isinstance(value, (bytes, np.bytes_)):
        return 's' + value.hex()
    if isinstance(value, str):
        return 's' + value.encode('utf-8', 'surrogateescape').hex()
    if isinstance(value, (h5py.Reference, h5py.RegionReference)):
        return 'r' + (h5py.h5r.get_name(value, file.id).decode() if value else '')
    if isinstance(value, (bool, np.bool_)):
        return 'i' + str(int(value))
    if isinstance(value, np.ndarray):
        if value.dtype.names is None and value.dtype.kind in 'iufb' and value.dtype.itemsize <= 8:
            return [shown(one, file) for one in value.reshape(-1)]
        return [shown(one, file) for one in value.reshape(-1)]
    if isinstance(value, np.void):
        if value.dtype.names is None:
            return 'b' + value.tobytes().hex()
        return {name: shown(value[name], file) for name in value.dtype.names}
    if isinstance(value, (int, np.integer)):
        return 'i' + str(int(value))
    if isinstance(value, np.longdouble) and value.dtype.itemsize > 8:
        return 'b' + value.tobytes()[:10].hex()
    if isinstance(value, (float, np.floating)):
        number = float(value)
        return 'nan' if number != number else 'f' + struct.pack('>d', number).hex()
    raise TypeError(type(value))


def array(value, shape, file):
    return {'shape': list(shape), 'data': shown(np.asarray(value, dtype=object) if isinstance(value, (str, bytes)) else np.asarray(value), file)}


def attribute(attributes, name, file):
    low = attributes.get_id(name)
    found = {'dtype': dtype(low.dtype)}
    value = attributes[name]
    if isinstance(value, h5py.Empty):
        return {**found, 'value': None}
    if low.shape == () and low.dtype.subdtype is None:
        return {**found, 'value': shown(value, file)}
    return {**found, 'value': array(value, np.shape(value), file)}


def describe(thing, file):
    found = {'attributes': {name: attribute(thing.attrs, name, file) for name in thing.attrs}}
    if isinstance(thing, h5py.Group):
        return {**found, 'kind': 'group', 'keys': list(thing)}
    if isinstance(thing, h5py.Datatype):
        return {**found, 'kind': 'datatype', 'dtype': dtype(thing.dtype)}
    found.update(kind='dataset', dtype=dtype(thing.id.dtype), shape=None, maxShape=None, chunks=None, value=None)
    if thing.shape is not None:
        found.update(shape=list(thing.shape), maxShape=list(thing.maxshape), chunks=None if thing.chunks is None else list(thing.chunks))
        creation = thing.id.get_create_plist()
        found['filters'] = [creation.get_filter(i)[0] for i in range(creation.get_nfilters())]
        try:
            value = thing[()]
        except OSError as error:
            found['value'] = {'error': str(error)}
        else:
            isList = thing.shape == () and isinstance(value, np.ndarray)
            found['value'] = {'shape': [], 'data': [shown(value, file)]} if isList and h5py.check_vlen_dtype(thing.dtype) else array(value, np.shape(value), file)
    return found


def dump(path):
    objects, links = {}, {}

    def enter(group, at, seen):
        for name in group:
            here = f'{at}/{name}'
            link = group.get(name, getlink=True)
            links[here] = {'type': 'hard'}
            if isinstance(link, h5py.SoftLink):
                links[here] = {'type': 'soft', 'target': link.path}
            elif isinstance(link, h5py.ExternalLink):
                links[here] = {'type': 'external', 'file': link.filename, 'target': link.path}
            try:
                thing = group[name]
            except (KeyError, OSError, RuntimeError):
                objects[here] = None
                continue
            objects[here] = describe(thing, thing.file)
            if isinstance(thing, h5py.Group) and links[here]['type'] == 'hard' and thing not in seen:
                enter(thing, here, [*seen, thing])

    with h5py.File(path, 'r') as f:
        objects['/'] = describe(f['/'], f)
        enter(f, '', [f['/']])
        walked = []
        f.visititems(lambda name, thing: walked.append(name))
        return {'objects': objects, 'links': links, 'walked': walked}


made, *paths = sys.argv[1:]
make(made)
json.dump({path: dump(path) for path in [made, *paths]}, sys.stdout)
