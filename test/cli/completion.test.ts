// SPDX-License-Identifier: MIT
import { describe, expect, test } from 'vitest'
import { holdfast, MAIN, Program } from './program.ts'

/** What bash would offer for each of these lines, with the cursor at their end. */
async function offered(lines: readonly string[]): Promise<string[][]> {
  const ask = `
    eval "$('${process.execPath}' '${MAIN}' completion bash)"
    complete -p holdfast > /dev/null || exit 1
    for line in "$@"; do
      # Readline takes words apart at : and = too.
      read -ra COMP_WORDS <<< "$(sed -E 's/([:=])/ \\1 /g' <<< "$line")"
      [[ $line == *' ' ]] && COMP_WORDS+=('')
      COMP_LINE=$line COMP_POINT=\${#line} COMP_CWORD=$(( \${#COMP_WORDS[@]} - 1 )) COMPREPLY=()
      _holdfast
      echo "\${COMPREPLY[*]}"
    done`
  const { stdout, stderr, code } = await new Program('bash', ['-c', ask, 'bash', ...lines], { cwd: '/usr' }).finish()
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
  return stdout
    .split('\n')
    .slice(0, -1)
    .map((line) => line.split(' ').filter((word) => word !== ''))
}

describe('The completion script for bash', () => {
  test.each<[string, string[]]>([
    ['holdfast ru', ['run']],
    ['holdfast --v', ['--version']],
    ['holdfast run --t', ['--timeout']],
    ['holdfast status --j', ['--json']],
    ['holdfast ver', ['verify']],
    ['holdfast verify --on m', ['memory:']],
    ['holdfast tor', ['torture']],
    ['holdfast torture --tr', ['--trees']],
    ['holdfast run --on ', ['file:', 'memory:', 'redis://', 'rediss://', 'zookeeper://']],
    ['holdfast run --on z', ['zookeeper://']],
    ['holdfast run --on redis://', []],
    ['holdfast run --on=m', ['memory:']],
    ['holdfast run --on file:/us', ['/usr']],
    ['holdfast run --lock-file /usr/bi', ['/usr/bin']],
    ['holdfast run --timeout ', []],
    ['holdfast run /usr/bi', ['/usr/bin']],
    ['holdfast run --read /usr/bi', ['/usr/bin']],
    ['holdfast run /x --verb', ['--verbose']],
    ['holdfast wait /usr/bi', ['/usr/bin']],
    ['holdfast h5 ', ['recover']],
    ['holdfast h5 recover /usr/bi', ['/usr/bin']],
    ['holdfast h5 recover /usr/bin /usr/bi', ['/usr/bin']],
    ['holdfast ranks -n ', []],
    ['holdfast ranks -n 4 /usr/bi', ['/usr/bin']],
    ['holdfast completion ', ['bash', 'zsh', 'fish']],
    ['holdfast help st', ['status']],
    ['holdfast run /x -- ls bi', ['bin']],
    ['holdfast run /x ls bi', ['bin']],
  ])('offers after "%s": %j', async (line, words) => {
    expect((await offered([line]))[0]?.filter((word) => !word.startsWith('-') || line.includes('-'))).toEqual(words)
  })

  test.each([
    'holdfast run /x -- mkdi',
    'holdfast run --read=/x mkdi',
    'holdfast run -x --timeout=5 --on file:/l /x mkdi',
    'holdfast run --on file: /x mkdi',
    'holdfast run --lock-file /x mkdi',
    'holdfast run --lock-file=/x -s -n mkdi',
  ])('offers commands where one begins: "%s"', async (line) => {
    expect((await offered([line]))[0]).toContain('mkdir')
  })
})

describe('The completion scripts for zsh and fish', () => {
  test('know all commands and options', async () => {
    const help = await holdfast(['run', '--help'])
    const options = [...help.stdout.matchAll(/^ {2}.*?(--[a-z-]+)/gm)].map(([, option]) => option!)
    expect(options).toContain('--conflict-exit-code')
    const zsh = (await holdfast(['completion', 'zsh'])).stdout
    const fish = (await holdfast(['completion', 'fish'])).stdout
    for (const option of options) {
      expect(zsh).toContain(`'*${option}[`)
      expect(fish).toContain(`-l ${option.slice(2)} `)
    }
    for (const command of ['run', 'status', 'wait', 'verify', 'torture', 'h5', 'ranks', 'completion']) {
      expect(zsh).toContain(`'${command}:`)
      expect(fish).toContain(`-a ${command} `)
    }
    expect(zsh.startsWith('#compdef holdfast\n')).toBe(true)
  })
})
