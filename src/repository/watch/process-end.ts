import { readFileSync } from 'node:fs'
import { errnoOf } from '../../util/errors.ts'

/** Tells whether a process that was there at first has ended. A number that another process got since does not deceive it, where the system tells starts. */
export function watchProcess(pid: number): { hasEnded: () => boolean } {
  const started = stateOf(pid)?.start
  return {
    hasEnded: () => {
      if (!exists(pid)) return true
      const state = stateOf(pid)
      // whoever started it has not asked for its end yet, as a notebook does not
      return state !== undefined && (state.ended || state.start !== started)
    },
  }
}

function exists(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return errnoOf(error) === 'EPERM'
  }
}

/** Linux alone tells; the name may hold spaces and brackets. */
function stateOf(pid: number): { ended: boolean; start: string } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return { ended: fields[0] === 'Z' || fields[0] === 'X', start: fields[19]! }
  } catch {
    return undefined
  }
}
