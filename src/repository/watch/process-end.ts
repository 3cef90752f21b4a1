import { errnoOf } from '../../util/errors.ts'
import { readSmallFile } from '../../util/small-file.ts'

const MAX_STAT_BYTES = 4096

/**
 * Watches for the end of a process. On Linux it also compares the start time, so that it does not mistake another
 * process with the same pid for it.
 */
export function watchProcess(pid: number): { hasEnded: () => boolean } {
  const started = startOf(pid)
  return {
    hasEnded: () => !isRunning(pid, started),
  }
}

/** Tells this process from a later one with the same pid. Linux only. */
export function startOf(pid: number): string | undefined {
  return stateOf(pid)?.start
}

/** Whether the process that had this start runs. Where starts are not known, any process with this pid is that one. */
export function isRunning(pid: number, start: string | undefined): boolean {
  if (!exists(pid)) return false
  const state = stateOf(pid)
  // an ended process stays a zombie until its parent waits for it, which a notebook does not do
  return state === undefined || (!state.ended && state.start === start)
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errnoOf(error) === 'EPERM'
  }
}

/** Linux only. The name of the process may hold spaces and brackets. */
function stateOf(pid: number): { ended: boolean; start: string } | undefined {
  try {
    const stat = readSmallFile(`/proc/${pid}/stat`, { maxBytes: MAX_STAT_BYTES }).toString('latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { ended: fields[0] === 'Z' || fields[0] === 'X', start: fields[19]! }
  } catch {
    return undefined
  }
}
