// SPDX-License-Identifier: MIT
// `holdfast/group`: one program on many ranks, under MPI, in threads, in processes.
export { type GroupBackendOptions, groupBackend } from '../backends/group/index.ts'
export { Collectives } from '../communicators/collectives.ts'
export type { Channel, ChannelListener, Communicator, Departure, Transport } from '../communicators/communicator.ts'
export { type RunProcessesOptions, runProcesses } from '../communicators/processes-launcher.ts'
export { thisCommunicator } from '../communicators/this-group.ts'
export { type RunThreadsOptions, runThreads } from '../communicators/threads-launcher.ts'
export { Fence, FenceSignal } from './fence.ts'
export type { WindowMode } from './scope.ts'
export { type SyncOptions, sync } from './sync.ts'
export { type SingleWriteOptions, WindowController } from './window-controller.ts'
export { WindowLease, type WindowWork } from './window-lease.ts'
