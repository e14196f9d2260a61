// SPDX-License-Identifier: MIT
// Debian's h5py, asked what is in files: the links of every group, and of every object its type as stored, its properties and its values.
import { spawnSync } from 'node:child_process'

const PROGRAM = `
import sys, json, hashlib, h5py, numpy
def plain(v):
    if isinstance(v, h5py.Empty): return 'empty'
    if isinstance(v, (bytes, numpy.void)) and getattr(v, 'dtype', None) is None or isinstance(v, bytes): return 'bytes ' + bytes(v).hex()
    if isinstance(v, numpy.void): return [plain(x) for x in v.item()] if v.dtype.names else 'bytes ' + v.tobytes().hex()
    if isinstance(v, h5py.RegionReference): return 'region ' + str(FILE[v].name if v else None) + str(h5py.h5r.get_region(v, FILE.id).get_select_bounds() if v else '')
    if isinstance(v, h5py.Reference): return 'reference ' + str(FILE[v].name if v else None)
    if isinstance(v, numpy.ndarray): return [plain(x) for x in v] if v.ndim else plain(v[()])
    if isinstance(v, (float, numpy.floating)): return float(v).hex()
    if isinstance(v, (list, tuple)): return [plain(x) for x in v]
    if isinstance(v, numpy.generic): return v.item()
    return v
def short(v):
    text = json.dumps(plain(v))
    return text if len(text) < 2000 else 'sha1 ' + hashlib.sha1(text.encode()).hexdigest()
def attributes(o):
    found = {}
    for name in o.attrs:
        a = o.attrs.get_id(name)
        found[name] = {'type': a.get_type().encode().hex(), 'dtype': repr(a.dtype), 'shape': str(a.shape), 'value': short(o.attrs[name])}
    return found
def dataset(d):
    p = d.id.get_create_plist()
    # h5py crashes on fill values of lists, and of compounds with strings in them
    simple = d.dtype.subdtype is None and d.dtype.names is None and h5py.check_vlen_dtype(d.dtype) in (None, str, bytes)
    fill = short(d.fillvalue) if simple and p.fill_value_defined() == 2 else None
    return {'type': d.id.get_type().encode().hex(), 'dtype': repr(d.dtype), 'shape': str(d.shape), 'limits': str(d.maxshape), 'chunks': str(d.chunks), 'fill': fill,
      'fillDefined': p.fill_value_defined(), 'fillTime': p.get_fill_time(), 'space': p.get_alloc_time(), 'times': p.get_obj_track_times(),
      'filters': str([p.get_filter(i) for i in range(p.get_nfilters())]), 'value': short(d[()]), 'attributes': attributes(d)}
def walk(group, path, seen, found):
    for name in group:
        link = group.get(name, getlink=True); at = path + name
        if isinstance(link, h5py.SoftLink): found[at] = 'soft ' + link.path; continue
        if isinstance(link, h5py.ExternalLink): found[at] = 'external ' + link.filename + ' ' + link.path; continue
        o = group[name]
        if isinstance(o, h5py.Dataset): found[at] = dataset(o)
        elif isinstance(o, h5py.Group):
            found[at] = {'attributes': attributes(o), 'links': sorted(o)}
            key = h5py.h5o.get_info(o.id).addr
            if key not in seen: walk(o, at + '/', seen | {key}, found)
        else: found[at] = 'datatype ' + o.id.encode().hex()
answers = []
for request in json.load(sys.stdin):
    if 'run' in request:
        exec(request['run'], {'h5py': h5py, 'np': numpy, 'numpy': numpy, 'path': request['file']}); answers.append(None)
    else:
        with h5py.File(request['file'], 'r') as FILE:
            found = {'/': {'attributes': attributes(FILE), 'links': sorted(FILE)}}
            walk(FILE, '/', {h5py.h5o.get_info(FILE.id).addr}, found); answers.append(found)
json.dump(answers, sys.stdout)
`

export interface Described {
  readonly links?: readonly string[]
  readonly attributes: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  readonly [property: string]: unknown
}

/** What stands at each path. Soft and external links, and named types, are a line of text. */
export type Content = Record<string, Described | string>

/** `run`: a Python program, with h5py, np and the file's path as `path`. Without it: the content is asked for. */
export interface Question {
  readonly file: string
  readonly run?: string
}

/** Answers in order; null for a program. All in one Python process. */
export function askPython(questions: readonly Question[]): (Content | null)[] {
  const options = { input: JSON.stringify(questions), maxBuffer: 2 ** 28, encoding: 'utf8' } as const
  const { status, signal, stdout, stderr } = spawnSync('/usr/bin/python3', ['-X', 'faulthandler', '-c', PROGRAM], options)
  if (status !== 0) throw new Error(`Python ended with ${status ?? signal}: ${stderr}`)
  return JSON.parse(stdout)
}

export function contentOf(file: string): Content {
  return askPython([{ file }])[0]!
}
