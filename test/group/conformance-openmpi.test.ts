// SPDX-License-Identifier: MIT
import { onTransport } from './transport-suite.ts'

onTransport('openmpi')
