// SPDX-License-Identifier: MIT
// How fast a simulation is: by the time of the processor, since what else the machine does is of no interest.

/** Begins to measure. What it answers says how many there were in a second since then. */
export function measured(): (what: string, count: number) => string {
  const before = process.cpuUsage()
  return (what, count) => {
    const { user, system } = process.cpuUsage(before)
    const seconds = (user + system) / 1e6
    return `${what}: ${count} schedules, ${Math.round(count / seconds)} for each second of the processor`
  }
}
