// SPDX-License-Identifier: MIT
// Completion scripts, made from the words that the program understands. They are plain shell: a press of TAB does not start Node.
import type { Command, Option } from 'commander'

/** What may stand after an option, or as an argument. */
type Value = 'none' | 'free' | 'url' | 'path'

interface Flag {
  readonly names: readonly string[]
  readonly description: string
  readonly value: Value
}

interface Word {
  readonly name: string
  readonly summary: string
  readonly flags: readonly Flag[]
  /** The choices for its argument, if it has any. */
  readonly choices: readonly string[]
  /** After that come files. */
  readonly files: boolean
}

const URLS: readonly string[] = ['file:', 'memory:', 'redis://', 'rediss://', 'zookeeper://']
const VALUES: Readonly<Record<string, Value>> = { '--on': 'url', '--read': 'path', '--write': 'path', '--lock-file': 'path' }
/** Its words end in a command of any other program. */
const WITH_COMMAND = 'run'
const HELP: Flag = { names: ['-h', '--help'], description: 'show the help', value: 'none' }

export function completion(shell: 'bash' | 'zsh' | 'fish', program: Command): string {
  const words = program.commands.map(wordOf)
  const own = [...program.options.filter(shown).map(flagOf), HELP]
  return { bash, zsh, fish }[shell](words, own)
}

function wordOf(command: Command): Word {
  const [argument] = command.registeredArguments
  return {
    name: command.name(),
    summary: command.summary(),
    flags: [...command.options.filter(shown).map(flagOf), HELP],
    choices: argument?.argChoices ?? [],
    files: command.registeredArguments.some(({ variadic }) => variadic) && command.name() !== WITH_COMMAND,
  }
}

function shown(option: Option): boolean {
  return !option.hidden
}

function flagOf(option: Option): Flag {
  const names = [option.short, option.long].filter((name) => name !== undefined)
  return { names, description: option.description, value: option.required ? (VALUES[option.long ?? ''] ?? 'free') : 'none' }
}

function bash(words: readonly Word[], own: readonly Flag[]): string {
  const namesOf = (flags: readonly Flag[], value?: Value): readonly string[] =>
    flags.filter((flag) => value === undefined || flag.value === value).flatMap((flag) => flag.names)
  // A flag may want a value after one word and none after another.
  const pattern = (value: Value): string =>
    words.flatMap((word) => namesOf(word.flags, value).map((name) => `${word.name}/${name}`)).join('|')
  const command = words.find(({ name }) => name === WITH_COMMAND)!.flags
  return `# bash completion for holdfast: eval "$(holdfast completion bash)"
_holdfast() {
  local current=\${COMP_WORDS[COMP_CWORD]} line=$COMP_LINE rest piece i
  # Bash takes words apart at ":" and "="; this joins what stands together.
  local words=() starts=()
  for (( i = 0; i <= COMP_CWORD; i++ )); do
    piece=\${COMP_WORDS[i]} rest=\${line#"\${line%%[![:space:]]*}"}
    if (( i > 0 )) && [[ -n $piece && $rest == "$line" ]]; then words[\${#words[@]}-1]+=$piece
    else words+=("$piece"); starts+=("$i")
    fi
    line=\${rest#"$piece"}
  done
  local last=$(( \${#words[@]} - 1 )) word=\${words[1]} flags='' choices='' files='' path='' lock_file='' wants_path=1
  local previous=\${words[last-1]}
  COMPREPLY=()
  if (( last == 1 )); then
    COMPREPLY=($(compgen -W '${words.map((word) => word.name).join(' ')} help ${namesOf(own).join(' ')}' -- "$current"))
    return
  fi
  case $word in
${words.map((word) => `    ${word.name}) flags='${namesOf(word.flags).join(' ')}'${word.choices.length === 0 ? '' : ` choices='${word.choices.join(' ')}'`}${word.files ? ' files=1' : ''} ;;`).join('\n')}
    help) choices='${words.map((word) => word.name).join(' ')}' ;;
    *) return ;;
  esac
  if [[ $word == ${WITH_COMMAND} ]]; then
    # The command begins after "--", or after PATH, which is not wanted when --read, --write or --lock-file gave one.
    for (( i = 2; i < last; i++ )); do
      case \${words[i]} in
        --) _holdfast_command "\${starts[i+1]}"; return ;;
        --lock-file|--lock-file=*) lock_file=1 wants_path=''; [[ \${words[i]} == *=* ]] || (( i++ )) ;;
        --read|--write) wants_path=''; (( i++ )) ;;
        --read=*|--write=*) wants_path='' ;;
        -s|-x|-e|--shared|--exclusive) [[ -n $lock_file ]] || wants_path=1 ;;
        ${[...namesOf(command, 'url'), ...namesOf(command, 'free')].join('|')}) (( i++ )) ;;
        -*) ;;
        *)
          if [[ -n $path || -z $wants_path ]]; then _holdfast_command "\${starts[i]}"; return; fi
          path=1 ;;
      esac
    done
  fi
  if [[ \${words[last]} == --*=* ]]; then previous=\${words[last]%%=*}; current=\${current#=}; fi
  case $word/$previous in
    ${pattern('url')})
      compopt -o nospace 2> /dev/null
      if [[ \${words[last]} == file:* || \${words[last]} == *=file:* ]]; then COMPREPLY=($(compgen -d -- "\${current#:}"))
      elif [[ \${words[last]} != *:* ]]; then COMPREPLY=($(compgen -W '${URLS.join(' ')}' -- "$current"))
      fi
      return ;;
    ${pattern('path')}) compopt -o filenames 2> /dev/null; COMPREPLY=($(compgen -f -- "$current")); return ;;
    ${pattern('free')}) return ;;
  esac
  if [[ $current == -* ]]; then
    COMPREPLY=($(compgen -W "$flags" -- "$current"))
  elif [[ -n $choices && ( $last == 2 || -z $files ) ]]; then
    COMPREPLY=($(compgen -W "$choices" -- "$current"))
  elif [[ $word == ${WITH_COMMAND} && ( -n $path || -z $wants_path ) ]]; then
    COMPREPLY=($(compgen -c -- "$current"))
  elif [[ $word == ${WITH_COMMAND} || $word == wait || -n $files ]]; then
    compopt -o filenames 2> /dev/null
    COMPREPLY=($(compgen -f -- "$current"))
  fi
}
# Completes the command that begins at word $1 as the shell completes it elsewhere.
_holdfast_command() {
  if declare -F _comp_command_offset > /dev/null; then _comp_command_offset "$1"
  elif declare -F _command_offset > /dev/null; then _command_offset "$1"
  elif (( COMP_CWORD == $1 )); then COMPREPLY=($(compgen -c -- "\${COMP_WORDS[COMP_CWORD]}"))
  else compopt -o filenames 2> /dev/null; COMPREPLY=($(compgen -f -- "\${COMP_WORDS[COMP_CWORD]}"))
  fi
}
complete -F _holdfast holdfast
`
}

function zsh(words: readonly Word[], own: readonly Flag[]): string {
  const values: Readonly<Record<Value, string>> = {
    none: '',
    free: ': :',
    url: `:url:(${URLS.join(' ').replaceAll(':', '\\:')})`,
    path: ':path:_files',
  }
  const text = (description: string): string => description.replace(/[[\]:\\]/g, '\\$&').replaceAll("'", "'\\''")
  const specs = (flags: readonly Flag[]): string =>
    flags.flatMap((flag) => flag.names.map((name) => `      '*${name}[${text(flag.description)}]${values[flag.value]}' \\\n`)).join('')
  const rest = (word: Word): string => {
    const files = word.files ? " \\\n      '*:file:_files'" : ''
    if (word.choices.length > 0) return `      '1:${word.name}:(${word.choices.join(' ')})'${files}`
    if (word.name === WITH_COMMAND) {
      // The shell leaves "--" in place; what follows it is completed as if it stood alone.
      const command = '{ [[ $words[1] != -- ]] || { shift words; (( CURRENT-- )) }; _normal }'
      return `      '1: :{ _alternative "paths:path:_files" "commands:command:_command_names -e" }' \\\n      '*:::command:${command}'`
    }
    if (word.files) return "      '*:file:_files'"
    return `      ${word.name === 'wait' ? "'1:path:_files'" : "'*: :'"}`
  }
  return `#compdef holdfast
# zsh completion for holdfast
_holdfast() {
  local state line
  _arguments -C \\
${specs(own).replace(/^ {6}/gm, '    ')}    '1:command:->command' '*::argument:->argument'
  case $state in
  command)
    local -a commands=(
${words.map((word) => `      '${word.name}:${text(word.summary)}'`).join('\n')}
    )
    _describe command commands ;;
  argument)
    case $words[1] in
${words.map((word) => `    ${word.name}) _arguments -s -S \\\n${specs(word.flags)}${rest(word)} ;;`).join('\n')}
    esac ;;
  esac
}
if [[ $funcstack[1] == _holdfast ]]; then _holdfast "$@"; else compdef _holdfast holdfast; fi
`
}

function fish(words: readonly Word[], own: readonly Flag[]): string {
  const text = (description: string): string => `'${description.replace(/['\\]/g, '\\$&')}'`
  const values: Readonly<Record<Value, string>> = { none: '', free: ' -x', url: ` -x -a '${URLS.join(' ')}'`, path: ' -r -F' }
  const flag = (condition: string, { names, description, value }: Flag): string => {
    const spelt = names.map((name) => (name.startsWith('--') ? `-l ${name.slice(2)}` : `-s ${name.slice(1)}`)).join(' ')
    return `complete -c holdfast -n '${condition}' ${spelt}${values[value]} -d ${text(description)}`
  }
  const lines = ['# fish completion for holdfast', FISH_COMMAND, "complete -c holdfast -n '__fish_use_subcommand' -f"]
  for (const one of own) lines.push(flag('__fish_use_subcommand', one))
  for (const { name, summary } of words) lines.push(`complete -c holdfast -n '__fish_use_subcommand' -a ${name} -d ${text(summary)}`)
  for (const { name, flags, choices, files } of words) {
    const here = `__fish_seen_subcommand_from ${name}`
    const first = files ? `${here}; and not __fish_seen_subcommand_from ${choices.join(' ')}` : here
    if (choices.length > 0) lines.push(`complete -c holdfast -n '${first}' -f -a '${choices.join(' ')}'`)
    if (name === WITH_COMMAND) {
      lines.push(`complete -c holdfast -n '${here}; and contains -- -- (commandline -opc)' -x -a '(__holdfast_command)'`)
    }
    for (const one of flags) lines.push(flag(here, one))
  }
  return `${lines.join('\n')}\n`
}

/** Completes what follows `--` as a command line of its own. */
const FISH_COMMAND = `function __holdfast_command
  set -l words (commandline -opc)
  set -e words[1..(contains -i -- -- $words)]
  complete -C (string join ' ' -- (string escape -- $words) (commandline -ct))
end`
