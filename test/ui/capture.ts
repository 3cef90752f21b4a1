import type { OutputStream } from '../../src/ui/output.ts'

export interface Capture extends OutputStream {
  text: string
  /** Makes every further write fail the way a closed pipe does. */
  fail(code: string): void
}

/** A stream that remembers what was written to it. */
export function capture(isTTY = false, columns?: number): Capture {
  const listeners: ((error: Error) => void)[] = []
  return {
    isTTY,
    columns,
    text: '',
    write(data, done) {
      this.text += typeof data === 'string' ? data : Buffer.from(data).toString()
      done?.()
      return true
    },
    on: (_event, listener) => listeners.push(listener),
    fail(code) {
      for (const listener of listeners) listener(Object.assign(new Error(`write ${code}`), { code }))
    },
  }
}
