// SPDX-License-Identifier: MIT

/** True when a promise is still open after everything that could run without a timer or I/O has run. */
export async function isPending(promise: Promise<unknown>): Promise<boolean> {
  let open = true
  const settle = () => {
    open = false
  }
  promise.then(settle, settle)
  for (let turn = 0; turn < 50; turn++) await undefined
  return open
}
