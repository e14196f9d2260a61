// SPDX-License-Identifier: MIT
// What a thread or process of the conformance suite opens to test kernel files.
import type { Backend } from 'holdfast'
import { type FileOptions, fileBackend } from 'holdfast/file'

export function openBackend(argument: unknown): Backend {
  return fileBackend(argument as FileOptions)
}
