// SPDX-License-Identifier: MIT
// The words that `holdfast` understands. What they do is loaded when it is wanted: a shell tool has to start fast.
import { readFileSync } from 'node:fs'
import { Argument, Command, Option } from 'commander'
import { EXIT } from './exit-codes.ts'
import {
  Alias,
  Choice,
  countUpTo,
  exitCode,
  faultKinds,
  lockFileOption,
  milliseconds,
  nonEmpty,
  onOption,
  pathValue,
  rankCount,
  readsOption,
  seconds,
  seed,
  writesOption,
} from './options.ts'
import { wantsColours } from './output.ts'
import type { TortureCommandOptions } from './torture.ts'

/** @param ended called with the exit code of the command that was given. */
export function buildProgram(words: readonly string[], ended: (exitCode: number) => void): Command {
  const program = new Command('holdfast')
    .description('Reader-writer locks over paths: a lock on a path covers everything below it.')
    .enablePositionalOptions()
    .option('-V, --version', 'show the version')
    .helpOption('-h, --help', 'show this, or the help of a command')
    .helpCommand('help [command]', 'show the help of a command')
    .exitOverride()
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error: /, 'holdfast: ')),
      getOutHasColors: () => wantsColours(process.stdout),
      getErrHasColors: () => wantsColours(process.stderr),
    })
    .configureHelp({ styleTitle: (title) => `\u001b[1m${title}\u001b[22m` })
    .addHelpText('after', PROGRAM_HELP)
  program.on('option:version', () => {
    process.stdout.write(`holdfast ${version()}\n`)
    process.exit(0)
  })
  const context = { program, words, ended }
  addRun(context)
  addStatus(context)
  addWait(context)
  addVerify(context)
  addTorture(context)
  addH5(context)
  addRanks(context)
  addCompletion(context)
  return program
}

interface Context {
  readonly program: Command
  readonly words: readonly string[]
  readonly ended: (exitCode: number) => void
}

function subcommand({ program }: Context, name: string): Command {
  return program.command(name).showHelpAfterError(`Try "holdfast ${name} --help".`)
}

function addRun(context: Context): void {
  subcommand(context, 'run')
    .usage('[options] [PATH] [--] COMMAND [ARGUMENT…]')
    .summary('run a command under a lock')
    .description('Takes the lock, runs the command, gives the lock back. Ends with the exit code of the command.')
    .argument('[words...]', 'PATH, unless --read, --write or --lock-file gave one, and the command')
    .passThroughOptions()
    .addOption(readsOption())
    .addOption(writesOption())
    .addOption(lockFileOption())
    .addOption(new Choice('-s, --shared', 'share PATH with other readers', 'mode', 'read'))
    .addOption(new Choice('-x, --exclusive', 'have PATH alone (the default)', 'mode', 'write'))
    .addOption(new Alias('-e', 'mode').preset('write'))
    .addOption(new Option('-n, --nonblock', 'fail when the lock is not free at once'))
    .addOption(new Alias('--nb', 'nonblock'))
    .addOption(new Option('-w, --timeout <seconds>', 'fail when the lock is not free in time; 0 is --nonblock').argParser(milliseconds))
    .addOption(new Alias('--wait <seconds>', 'timeout').argParser(milliseconds))
    .addOption(
      new Option('-E, --conflict-exit-code <number>', 'exit code for these two failures; with 0 they are not reported either')
        .argParser(exitCode)
        .default(EXIT.busy),
    )
    .addOption(new Option('-c, --command <string>', 'run this through "sh -c"').argParser(nonEmpty))
    .addOption(new Option('-o, --close', 'do not let the command inherit the descriptors of the lock'))
    .addOption(
      new Option('--grace <seconds>', 'from SIGTERM to SIGKILL when the lock is lost').argParser(milliseconds).default(10_000, '10'),
    )
    .addOption(new Option('--name <text>', 'shown to those who ask who holds the lock').argParser(nonEmpty))
    .addOption(onOption())
    .addOption(new Option('--verbose', 'report how long it took to get the lock'))
    .addOption(new Option('--path <path>').argParser(pathValue).hideHelp())
    .addHelpText('after', RUN_HELP)
    .action(async (operands: string[], _options: unknown, command: Command) => {
      const { prepareRun } = await import('./run-words.ts')
      const prepared = prepareRun(command, operands, context.words)
      if ('again' in prepared) {
        await buildProgram(prepared.again, context.ended).parseAsync(prepared.again, { from: 'user' })
        return
      }
      const { run } = await import('./run.ts')
      context.ended(await run(prepared))
    })
}

function addStatus(context: Context): void {
  subcommand(context, 'status')
    .summary('show who holds what, and who waits for whom')
    .description('Shows who holds what, as a tree of paths, and who waits, below what they wait for.')
    .addOption(onOption())
    .option('--json', 'print it as data')
    .addHelpText('after', STATUS_HELP)
    .action(async (options: { on?: string; json?: boolean }) => {
      const { status } = await import('./status.ts')
      context.ended(await status(options))
    })
}

function addWait(context: Context): void {
  subcommand(context, 'wait')
    .summary('wait until a path is free')
    .description('Returns when nobody writes at PATH, below it or above it. Nothing is kept: somebody else may come in right after.')
    .addArgument(new Argument('<path>', 'what to wait for').argParser(pathValue))
    .addOption(new Choice('--read', 'free to read: nobody writes there (the default)', 'mode', 'read').default('read', ''))
    .addOption(new Choice('--write', 'free to write: nobody reads or writes there', 'mode', 'write'))
    .addOption(new Option('-w, --timeout <seconds>', `give up after so long, with exit code ${EXIT.busy}`).argParser(milliseconds))
    .addOption(new Alias('--wait <seconds>', 'timeout').argParser(milliseconds))
    .addOption(onOption())
    .addHelpText('after', WAIT_HELP)
    .action(async (path: string, options: { on?: string; mode: 'read' | 'write'; timeout?: number }) => {
      const { wait } = await import('./wait.ts')
      context.ended(await wait(path, options))
    })
}

function addVerify(context: Context): void {
  subcommand(context, 'verify')
    .summary('prove that locks hold here, and find what can break them')
    .description('Tries locks between threads and processes of this machine, and looks at what can break them: file system, server, clock.')
    .addOption(onOption())
    .option('--json', 'print it as data')
    .addHelpText('after', VERIFY_HELP)
    .action(async (options: { on?: string; json?: boolean }) => {
      const { verify } = await import('./verify.ts')
      context.ended(await verify(options))
    })
}

function addTorture(context: Context): void {
  subcommand(context, 'torture')
    .summary('random requests and faults, judged by an oracle')
    .description(
      'Makes random requests from many processes while faults strike, and judges by an oracle of its own whether every promise is kept.',
    )
    .addOption(
      new Option('--on <url>', 'memory:, file:DIRECTORY, redis://HOST …; redis: or zookeeper: starts a server (default: files of its own)'),
    )
    .addOption(new Option('--processes <number>', 'so many of them').argParser(countUpTo(64)).default(4))
    .addOption(new Option('--grants <number>', 'until there were so many, if that is sooner').argParser(countUpTo(1e12)))
    .addOption(new Option('--tasks <number>', 'requests that each makes at once').argParser(countUpTo(256)).default(4))
    .addOption(
      new Option('--trees <number>', "copies of the tree: the more, the fewer are in each other's way")
        .argParser(countUpTo(1_000))
        .default(1),
    )
    .addOption(new Option('--seconds <seconds>', 'how long requests are made').argParser(seconds).default(20))
    .addOption(
      new Option('--faults <kinds>', 'kill,pause,cut,restart,freeze or none (default: all that can be there)').argParser(faultKinds),
    )
    .addOption(new Option('--seed <number>', 'the same plan of requests and faults again (default: at random)').argParser(seed))
    .addOption(
      new Option('--timeline <file>', 'where the first violation is drawn (default: holdfast-torture-SEED.svg)').argParser(nonEmpty),
    )
    .option('--json', 'print it as data')
    .addHelpText('after', TORTURE_HELP)
    .action(async (options: TortureCommandOptions) => {
      const { torture } = await import('./torture.ts')
      context.ended(await torture(options))
    })
}

function addH5(context: Context): void {
  subcommand(context, 'h5')
    .summary('restore HDF5 files whose writer died')
    .description('Gives HDF5 files back the content that they had before a write in the middle of which the writer died.')
    .addArgument(new Argument('<action>', 'what to do').choices(['recover']))
    .addArgument(new Argument('<files...>', 'HDF5 files'))
    .addOption(new Option('-w, --timeout <seconds>', `give up waiting after so long, with exit code ${EXIT.busy}`).argParser(milliseconds))
    .addOption(new Option('--journal <file>', 'the journal to use, when it lies elsewhere or the file is a copy').argParser(nonEmpty))
    .addOption(new Option('--on <url>', 'the lock space in which the file is used (default: the one for HDF5 files)'))
    .addHelpText('after', H5_HELP)
    .action(async (_action: 'recover', files: string[], options: { on?: string; journal?: string; timeout?: number }) => {
      const { recover } = await import('./h5.ts')
      context.ended(await recover(files, options))
    })
}

function addRanks(context: Context): void {
  subcommand(context, 'ranks')
    .usage('-n NUMBER [--] PROGRAM [ARGUMENT…]')
    .summary('run a program of Node as a group of ranks')
    .description('Runs PROGRAM in NUMBER processes that find each other, as mpiexec does, and without MPI.')
    .argument('<words...>', 'a file that Node runs, and its arguments')
    .passThroughOptions()
    .addOption(new Option('-n, --ranks <number>', 'how many').argParser(rankCount).makeOptionMandatory())
    .addHelpText('after', RANKS_HELP)
    .action(async (words: string[], options: { ranks: number }) => {
      const { ranks } = await import('./ranks.ts')
      context.ended(await ranks(options.ranks, words))
    })
}

function addCompletion(context: Context): void {
  subcommand(context, 'completion')
    .summary('print the completion script of a shell')
    .description('Prints a script that completes commands, options and paths of holdfast.')
    .addArgument(new Argument('<shell>', 'which shell').choices(['bash', 'zsh', 'fish']))
    .addHelpText('after', COMPLETION_HELP)
    .action(async (shell: 'bash' | 'zsh' | 'fish') => {
      const { completion } = await import('./completion.ts')
      process.stdout.write(completion(shell, context.program))
    })
}

function version(): string {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  return version
}

const PROGRAM_HELP = `
Examples:
  holdfast run /mouse-7 -- python analyse.py          alone with /mouse-7 and all below it
  holdfast run --read /atlas --write /mouse-7 -- make  several paths, all or nothing
  holdfast status                                      who holds, who waits
  holdfast wait /mouse-7 && echo free
  holdfast verify                                      do locks hold on this machine?
  holdfast torture --on redis:                         do they hold whatever happens?
  holdfast h5 recover mouse-7.h5                       after a writer was killed

Environment:
  HOLDFAST_CONFIG  a configuration file that says where the locks are, when --on does not; or
  HOLDFAST_URL     a URL. Without both, the nearest holdfast.config.yml, else kernel files
  HOLDFAST_TOKEN   set for the command: the fencing token of its lock, a number that rises
  HOLDFAST_DEBUG   show the stack of errors
  NO_COLOR         no colours`

const RUN_HELP = `
PATH names what is locked, such as /mouse-7/session-3. It need not exist as a file. A PATH that does not start with "/" is
resolved against the working directory: ./data is /home/me/data. A lock on a path covers everything below it.

Examples:
  holdfast run /mouse-7 -- python analyse.py
  holdfast run -s /atlas -- python view.py             beside other readers
  holdfast run --read /from --write /to -- cp -r a b
  holdfast run -n -E 0 /backup -- ./backup.sh          from cron: silently not twice at once
  holdfast run -w 10 /mouse-7 -c 'a | b'               wait for ten seconds at most
  holdfast run --lock-file ./a.lock -- make            beside flock(1), py-filelock, fasteners, HDF5

Exit codes, beside those of the command:
  ${EXIT.busy}   busy, or not free in time (or what -E says)
  ${EXIT.lost}   the lock was lost and the command stopped
  ${EXIT.usage}   wrong usage; nothing was taken
  ${EXIT.unavailable}   the engine is not available
  ${EXIT.denied}   permission denied
  ${EXIT.notExecutable}  the command cannot be executed      ${EXIT.notFound}  it was not found
  128+n  signal n ended it`

const STATUS_HELP = `
Examples:
  holdfast status
  holdfast status --json | jq '.waiters[].owner.pid'`

const WAIT_HELP = `
Examples:
  holdfast wait /mouse-7              nobody writes it any more
  holdfast wait --write -w 60 ./data  nobody uses it any more, or a minute is over

Exit codes:
  0   it was free
  ${EXIT.busy}  it was not, in the time given`

const TORTURE_HELP = `
It works in a tree of its own beside all paths: nobody who uses the locks has to wait for it. Kill and pause strike its own processes, cut their
connections; restart and freeze strike a server that it started itself.

Examples:
  holdfast torture                                   kernel files, 20 s
  holdfast torture --on redis: --seconds 600         a Redis server of its own, ten minutes
  holdfast torture --on redis://lab.example --faults cut,pause
  holdfast torture --tasks 8 --trees 32 --seconds 900  many grants: few are in each other's way
  holdfast torture --seed 7 --json | jq .promises

Exit codes:
  0   every promise was kept
  ${EXIT.failed}  one was broken; the time around it is drawn in a file
  ${EXIT.usage}  wrong usage      ${EXIT.unavailable}  the engine is not available, or not installed`

const VERIFY_HELP = `
It takes some seconds, and works in a tree of its own beside all paths: nobody who uses the locks has to wait for it.

Examples:
  holdfast verify
  holdfast verify --on redis://lab.example
  holdfast verify --json | jq '.checks[] | select(.outcome != "ok")'

Exit codes:
  0   locks hold here; there may be warnings
  ${EXIT.failed}  a check failed: do not rely on them before that is put right`

const H5_HELP = `
Opening a file through Holdfast does the same by itself. This is for files that go to somebody else. A file that is
whole is left as it is.

Examples:
  holdfast h5 recover mouse-7.h5
  holdfast h5 recover data/*.h5

Exit codes:
  0   every file is whole now
  ${EXIT.badData}  a file is torn and cannot be restored from here, or is no HDF5 file
  ${EXIT.noInput}  there is no such file      ${EXIT.denied}  it may not be written
  ${EXIT.busy}  somebody had it for longer than --timeout`

const RANKS_HELP = `
A rank that fails stops nobody else: the others are told. SIGINT, SIGTERM and SIGHUP are handed on to all of them.

Examples:
  holdfast ranks -n 4 analyse.js mouse-7.h5

Exit codes:
  0       every rank ended well
  128+n   signal n ended the rank that failed first; otherwise the exit code is that rank's own
  ${EXIT.unavailable}      a rank aborted the group`

const COMPLETION_HELP = `
Examples:
  eval "$(holdfast completion bash)"                                    in ~/.bashrc
  holdfast completion zsh > "\${fpath[1]}/_holdfast"
  holdfast completion fish > ~/.config/fish/completions/holdfast.fish`
