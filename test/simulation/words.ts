// SPDX-License-Identifier: MIT
// A schedule in words, for whoever has to understand it, and the line that plays it again.
import { type Person, type Schedule, SHAPES, type Step } from './schedule.ts'

/** The whole schedule, line by line, and how to play it again. */
export function inWords(schedule: Schedule): string {
  const { people, serverDrift, prefer, coldStartGrace } = schedule.setting
  const grace = coldStartGrace ? ', clients wait after its start' : ''
  return [
    `The server: ${prefer}${speed(serverDrift)}${grace}.`,
    ...people.map((person, who) => `p${who}: ${habitsOf(person)}`),
    ...schedule.steps.map((step) => `  ${String(step.after).padStart(5)} ms later ${stepInWords(step)}`),
    `HOLDFAST_SCHEDULE='${JSON.stringify(schedule)}' npx vitest run test/simulation/simulation.test.ts -t 'that is given'`,
  ].join('\n')
}

function habitsOf({ habits: { resends, queues, twoConnections }, drift, latencyUs }: Person): string {
  const client = [
    resends ? 'sends again what was not answered' : '',
    queues ? 'queues commands' : '',
    twoConnections ? 'has two connections' : '',
  ]
  const habits = client.filter((habit) => habit !== '').map((habit) => `, ${habit}`)
  return `${latencyUs / 1_000} ms away${speed(drift)}${habits.join('')}.`
}

function speed(drift: number): string {
  return drift === 0 ? '' : `, its clock ${Math.abs(drift * 100)} % too ${drift > 0 ? 'fast' : 'slow'}`
}

/** One step. */
export function stepInWords(step: Step): string {
  const who = 'who' in step ? `p${step.who}` : ''
  switch (step.do) {
    case 'ask': {
      const { read, write } = SHAPES[step.shape]!
      const what = [...write.map((path) => `write ${path}`), ...read.map((path) => `read ${path}`)].join(' and ')
      const patience = step.patience === 'try' ? 'tries to' : step.patience === 'long' ? 'asks to' : `waits ${step.patience} ms at most to`
      return `${who} ${patience} ${what} for ${step.hold} ms`
    }
    case 'release':
    case 'downgrade':
    case 'abort':
      return `${who} ${{ release: 'gives back', downgrade: 'weakens', abort: 'gives up' }[step.do]} one of its ${step.do === 'abort' ? 'requests' : 'leases'} (${step.which})`
    case 'slow': {
      const next = step.way === 'up' ? 'next command' : 'next answer'
      return `${who}'s ${next}${step.of === 1 ? ' on its second connection' : ''} takes ${step.ms} ms longer`
    }
    case 'stall':
      return `nothing reaches or leaves ${who} for ${step.ms} ms`
    case 'cut': {
      const when = { now: '', write: ' as soon as it sends something', reply: ' as soon as it is answered' }[step.when]
      const late = step.late === null ? 'what is under way is lost' : `what is under way comes ${step.late} ms later`
      return `${who} is cut off${step.what === 'messages' ? ' from messages' : ''}${when}, for ${step.away} ms; ${late}`
    }
    case 'stop':
      return `${who} ${step.suspend ? 'is suspended' : 'stands still'} for ${step.ms} ms, and then ${step.readsFirst ? 'reads' : 'looks at its timers'} first`
    case 'kill':
      return `${who} is killed`
    case 'freeze':
      return `the server freezes for ${step.ms} ms`
    case 'set the clock':
      return `the server's clock is set ${step.ms} ms ahead`
    case 'restart':
      return `the server dies, ${step.keepsData ? 'keeps its data' : 'loses its data'}, and is back after ${step.away} ms`
    case 'cut the replica':
      return 'the replica is cut off'
    case 'fail over':
      return `the server dies, and its replica takes over after ${step.away} ms`
  }
}
