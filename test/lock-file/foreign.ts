// SPDX-License-Identifier: MIT
// Programs that lock files by means of their own, told what to do: flock(1), Python's standard library, and Debian's fasteners, py-filelock, portalocker and h5py.
import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { onTestFinished } from 'vitest'

export type Access = 'read' | 'write'

/** A program in whose hands a file may be. */
export interface Foreigner {
  readonly pid: number
  /** Takes the lock if nobody is in the way. */
  take(path: string, access: Access): Promise<boolean>
  /** Takes the lock as soon as nobody is in the way. */
  wait(path: string, access: Access): Promise<void>
  /** Gives it back, in the way that this program does. */
  give(): Promise<void>
  /** Gives it back and keeps the file open, where the program can do that. */
  unlock(): Promise<void>
  kill(): void
}

const PYTHON = '/usr/bin/python3'

const PROGRAM = `
import fcntl, json, sys
kind = sys.argv[1]

class Plain:
    def take(self, path, access, block):
        self.file = open(path, 'r' if access == 'read' else 'r+')
        mode = fcntl.LOCK_SH if access == 'read' else fcntl.LOCK_EX
        getattr(fcntl, kind)(self.file, mode if block else mode | fcntl.LOCK_NB)
    def unlock(self):
        getattr(fcntl, kind)(self.file, fcntl.LOCK_UN)
    def give(self):
        self.unlock()
        self.file.close()
    def vanish(self):
        import os
        self.unlock()
        os.unlink(self.file.name)
        self.file.close()

class Fasteners:
    def take(self, path, access, block):
        import fasteners
        self.lock = fasteners.InterProcessReaderWriterLock(path)
        self.access = access
        taken = getattr(self.lock, 'acquire_%s_lock' % access)(blocking=block)
        if not taken: raise BlockingIOError()
    def give(self):
        getattr(self.lock, 'release_%s_lock' % self.access)()

class FastenersMutex:
    def take(self, path, access, block):
        import fasteners
        self.lock = fasteners.InterProcessLock(path)
        if not self.lock.acquire(blocking=block): raise BlockingIOError()
    def give(self):
        self.lock.release()

class Filelock:
    def take(self, path, access, block):
        import filelock
        self.lock = filelock.FileLock(path)
        try: self.lock.acquire(timeout=-1 if block else 0, poll_interval=0.01)
        except filelock.Timeout: raise BlockingIOError()
    def give(self):
        self.lock.release()

class Portalocker:
    def take(self, path, access, block):
        import portalocker
        self.file = open(path, 'r' if access == 'read' else 'r+')
        flag = portalocker.LockFlags.SHARED if access == 'read' else portalocker.LockFlags.EXCLUSIVE
        try: portalocker.lock(self.file, flag if block else flag | portalocker.LockFlags.NON_BLOCKING)
        except portalocker.LockException: raise BlockingIOError()
    def give(self):
        import portalocker
        portalocker.unlock(self.file)
        self.file.close()

class H5py:
    def take(self, path, access, block):
        import h5py
        try: self.file = h5py.File(path, 'r' if access == 'read' else 'r+')
        except OSError as error:
            if 'unable to lock file' in str(error): raise BlockingIOError()
            raise
    def give(self):
        self.file.close()

kinds = {'flock': Plain, 'lockf': Plain, 'fasteners': Fasteners, 'fasteners-mutex': FastenersMutex, 'filelock': Filelock, 'portalocker': Portalocker, 'h5py': H5py}
holder = None
for line in sys.stdin:
    what, *words = json.loads(line)
    answer = True
    try:
        if what in ('take', 'wait'):
            holder = kinds[kind]()
            holder.take(words[0], words[1], what == 'wait')
        else: getattr(holder, what)()
    except (BlockingIOError, PermissionError): answer = False
    except Exception as error: answer = repr(error)
    print(json.dumps(answer), flush=True)
`

export class PythonProgram implements Foreigner {
  private readonly child: ChildProcessWithoutNullStreams
  private readonly lines: AsyncIterator<string>

  constructor(kind: string) {
    this.child = spawn(PYTHON, ['-c', PROGRAM, kind])
    this.child.stderr.pipe(process.stderr)
    this.lines = createInterface({ input: this.child.stdout })[Symbol.asyncIterator]()
    onTestFinished(() => this.kill())
  }

  get pid(): number {
    return this.child.pid!
  }

  take(path: string, access: Access): Promise<boolean> {
    return this.tell('take', path, access)
  }

  async wait(path: string, access: Access): Promise<void> {
    if (!(await this.tell('wait', path, access))) throw new Error('It was refused.')
  }

  async give(): Promise<void> {
    await this.tell('give')
  }

  async unlock(): Promise<void> {
    await this.tell('unlock')
  }

  /** Gives it back as lockmgr does: it removes the file. */
  async vanish(): Promise<void> {
    await this.tell('vanish')
  }

  kill(): void {
    this.child.kill('SIGKILL')
  }

  private async tell(...words: readonly string[]): Promise<boolean> {
    this.child.stdin.write(`${JSON.stringify(words)}\n`)
    const { value, done } = await this.lines.next()
    if (done === true) throw new Error('The Python process has ended.')
    const answer: unknown = JSON.parse(value)
    if (typeof answer !== 'boolean') throw new Error(String(answer))
    return answer
  }
}

/** flock(1), which locks a file for as long as a command runs. */
class FlockCommand implements Foreigner {
  private child: ChildProcessWithoutNullStreams | null = null

  get pid(): number {
    return this.child!.pid!
  }

  async take(path: string, access: Access): Promise<boolean> {
    return await this.run(['-n'], path, access)
  }

  async wait(path: string, access: Access): Promise<void> {
    await this.run([], path, access)
  }

  async give(): Promise<void> {
    const ended = once(this.child!, 'close')
    this.child!.stdin.end()
    await ended
  }

  unlock(): Promise<void> {
    return this.give()
  }

  /** The command as well, which has the lock after it. */
  kill(): void {
    if (this.child !== null && this.child.exitCode === null && this.child.signalCode === null) process.kill(-this.child.pid!, 'SIGKILL')
  }

  private async run(options: readonly string[], path: string, access: Access): Promise<boolean> {
    const words = [...options, access === 'read' ? '-s' : '-x', path, 'sh', '-c', 'echo held; read line']
    const child = spawn('flock', words, { detached: true })
    this.child = child
    onTestFinished(() => this.kill())
    return await Promise.race([once(child.stdout, 'data').then(() => true), once(child, 'exit').then(() => false)])
  }
}

export interface Kind {
  readonly name: string
  /** A Python module that must be there; Debian's package is named alike. */
  readonly module?: string
  readonly accesses: readonly Access[]
  /** Needs a file of its own format. */
  readonly hdf5?: true
  readonly start: () => Foreigner
}

const BOTH: readonly Access[] = ['read', 'write']
const ALONE: readonly Access[] = ['write']

const ALL: readonly Kind[] = [
  { name: 'flock(1)', accesses: BOTH, start: () => new FlockCommand() },
  { name: 'Python’s fcntl.flock', accesses: BOTH, start: () => new PythonProgram('flock') },
  { name: 'Python’s fcntl.lockf', accesses: BOTH, start: () => new PythonProgram('lockf') },
  { name: 'fasteners (readers and writers)', module: 'fasteners', accesses: BOTH, start: () => new PythonProgram('fasteners') },
  { name: 'fasteners (mutex)', module: 'fasteners', accesses: ALONE, start: () => new PythonProgram('fasteners-mutex') },
  { name: 'py-filelock', module: 'filelock', accesses: ALONE, start: () => new PythonProgram('filelock') },
  { name: 'portalocker', module: 'portalocker', accesses: BOTH, start: () => new PythonProgram('portalocker') },
  { name: 'h5py', module: 'h5py', accesses: BOTH, hdf5: true, start: () => new PythonProgram('h5py') },
]

/** Those that are installed. */
export const KINDS: readonly Kind[] = ALL.filter(
  ({ module }) => module === undefined || spawnSync(PYTHON, ['-c', `import ${module}`]).status === 0,
)

/** One that does nothing but lock, and can unlock without closing. */
export function python(kind: 'flock' | 'lockf'): PythonProgram {
  return new PythonProgram(kind)
}
