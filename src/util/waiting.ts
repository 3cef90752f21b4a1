import { throwIfAborted } from './errors.ts'

/** Resolves after `ms`; rejects with `interrupted` as soon as the signal is aborted. */
export type Sleep = (ms: number, signal?: AbortSignal) => Promise<void>

export const sleep: Sleep = async (ms, signal) => {
  await waitOrAbort(signal, wake => {
    const timer = setTimeout(wake, ms)
    return () => clearTimeout(timer)
  })
}

/**
 * Calls `start`, which must call `wake` later (never synchronously) and returns a function that cancels the wait. The
 * first event decides: `wake` resolves; an abort cancels and rejects with `interrupted`. An abort after `wake` changes
 * nothing, so a value passed on with `wake` is never lost.
 */
export async function waitOrAbort(signal: AbortSignal | undefined, start: (wake: () => void) => () => void): Promise<void> {
  throwIfAborted(signal)
  const woken = await new Promise<boolean>(resolve => {
    const onAbort = () => {
      cancel()
      resolve(false)
    }
    const cancel = start(() => {
      signal?.removeEventListener('abort', onAbort)
      resolve(true)
    })
    signal?.addEventListener('abort', onAbort, { once: true })
  })
  if (!woken) throwIfAborted(signal)
}
