import { PACK_POLICY, type PackPolicy } from '../../src/repository/format/limits.ts'
import type { RepositoryContext } from '../../src/repository/open/open.ts'
import { machine, type DriveAccess, type MachineOptions } from './machine.ts'

/** Even the first packs of a push are too large for one request, as those of real pushes are only after 12 MB. */
export const LARGE_PACKS: PackPolicy = { ...PACK_POLICY, firstBytes: 8 * 1024 * 1024 }

export function machineWithLargePacks(emulator: DriveAccess, options: MachineOptions = {}): RepositoryContext {
  return machine(emulator, { packPolicy: LARGE_PACKS, ...options })
}
