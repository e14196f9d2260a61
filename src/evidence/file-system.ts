// SPDX-License-Identifier: MIT
// On which file system a folder lies, and what that means for locks.
import { readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname } from 'node:path'
import { type Finding, failed, ok, warning } from './report.ts'

export interface Mount {
  /** As the kernel calls it: `ext4`, `fuse.sshfs` … */
  readonly type: string
  readonly point: string
  /** The device, or the server and its folder. */
  readonly source: string
  readonly readOnly: boolean
}

/** Beyond one machine, or by programs outside the kernel. */
const NETWORK =
  /^(nfs4?|cifs|smb3?|smbfs|9p|lustre|gpfs|ceph|afs|beegfs|ocfs2|gfs2|orangefs|pvfs2|glusterfs|virtiofs|vboxsf|vmhgfs|coda|ncpfs)$/
const LOCAL = /^(ext[234]|xfs|btrfs|zfs|f2fs|bcachefs|jfs|reiserfs|nilfs2)$/

const ELSEWHERE = 'choose a folder on a local disk, or a server for several hosts'

export function judgeMount({ type, point, source, readOnly }: Mount): Finding {
  const where = `${type} (${source} at ${point})`
  if (readOnly) return failed(`${where} is mounted read-only`, 'choose a folder on a file system that can be written to')
  if (NETWORK.test(type))
    return failed(`${where} is shared with other machines: locks may stop at this one, and no event crosses it`, ELSEWHERE)
  if (type.startsWith('fuse')) return warning(`${where}: whether locks hold depends on the program behind it`, ELSEWHERE)
  if (type === 'overlay')
    return warning(
      `${where}: the layer of one container`,
      'containers that are to exclude each other have to mount one volume, and lock there',
    )
  if (type === 'tmpfs' || type === 'ramfs')
    return warning(
      `${where}: a restart empties it, and tokens begin again from the wall clock`,
      'where tokens are kept, choose a folder on a disk',
    )
  if (LOCAL.test(type)) return ok(where)
  return warning(`${where}: not known to us`, 'see what OFD locks and inotify came to below')
}

/** The file system of a folder, or of the nearest folder above it that is there. Null where the system does not say. */
export function mountOf(folder: string): Mount | null {
  const path = existing(folder)
  let text: string
  try {
    text = readFileSync('/proc/self/mountinfo', 'utf8')
  } catch {
    return null
  }
  return findMount(text, path)
}

/**
 * @param text of /proc/self/mountinfo: `36 35 98:0 /root /mount/point rw,noatime master:1 - ext4 /dev/sda rw`. Of several at one point, the last
 * covers the others.
 */
export function findMount(text: string, path: string): Mount | null {
  let best: Mount | null = null
  for (const line of text.split('\n')) {
    const [before, after] = line.split(' - ', 2)
    const [, , , , at, options] = (before ?? '').split(' ')
    const [type, source, superOptions] = (after ?? '').split(' ')
    if (at === undefined || type === undefined) continue
    const point = unescaped(at)
    const covers = point === '/' || path === point || path.startsWith(`${point}/`)
    if (!covers || (best !== null && best.point.length > point.length)) continue
    const readOnly = `${options},${superOptions}`.split(',').includes('ro')
    best = { type, point, source: unescaped(source ?? ''), readOnly }
  }
  return best
}

/** Spaces and the like are written as octal numbers there. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)))
}

function existing(folder: string): string {
  for (let at = folder; ; at = dirname(at)) {
    if (statSync(at, { throwIfNoEntry: false })?.isDirectory()) return realpathSync(at)
    if (at === dirname(at)) return at
  }
}
