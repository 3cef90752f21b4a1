import { fstatSync, writeSync } from 'node:fs'
import { AppError, errnoOf, isFullDisk, messageOf } from '../util/errors.ts'
import type { OutputStream } from './output.ts'

/**
 * A stream that a command writes to: no write throws. What can't be written is lost, and `failure` says why. If the
 * reader has ended, as after `| head`, nothing is wrong.
 */
export class Sink implements OutputStream {
  /** Why the last write failed; undefined if it did not, or if its reader had ended. */
  failure: Error | undefined
  private readonly stream: OutputStream
  private readonly onFailure: ((failure: Error) => void) | undefined
  private readonly writeToStream: OutputStream['write']
  private readonly file: number | undefined
  /** True once the stream takes no more. A file may take more when its disk has room again. */
  private gone = false
  /** Whether the file ends in the middle of what was written. */
  private isTorn = false

  constructor(stream: OutputStream, onFailure?: (failure: Error) => void) {
    this.stream = stream
    this.onFailure = onFailure
    // saved before ora hooks `write`: through the hook, a note would cause two redraws
    this.writeToStream = stream.write.bind(stream)
    this.file = regularFile(stream)
    stream.on('error', error => {
      this.gone = true
      if (!isClosedStream(error, stream)) this.fail(error)
    })
  }

  /** `done` gets the error of a write that failed, unless the reader has ended. See `isGone`. */
  write(data: string | Uint8Array, done?: (error?: Error | null) => void): boolean {
    if (!this.gone && this.file === undefined)
      return this.writeToStream(data, done && (error => done(error && isClosedStream(error, this.stream) ? undefined : error)))
    if (!this.gone && this.file !== undefined) this.writeToFile(this.file, data)
    done?.(this.failure)
    return true
  }

  /** Whether the reader has ended. */
  get isGone(): boolean {
    return this.gone
  }

  on(event: 'error', listener: (error: Error) => void): unknown {
    return this.stream.on(event, listener)
  }

  get isTTY(): boolean | undefined {
    return this.stream.isTTY
  }

  get columns(): number | undefined {
    return this.stream.columns
  }

  get rows(): number | undefined {
    return this.stream.rows
  }

  private writeToFile(file: number, data: string | Uint8Array): void {
    const all = Buffer.from(typeof data === 'string' && this.isTorn ? `\n${data}` : data)
    let written = 0
    try {
      while (written < all.length) written += writeSync(file, all, written)
      this.failure = undefined
    } catch (error) {
      this.fail(error as Error)
    }
    if (written > 0) this.isTorn = written < all.length
  }

  private fail(error: Error): void {
    this.failure = error
    this.onFailure?.(error)
  }
}

/**
 * The descriptor of a stream that is a file on a disk. Node's own stream takes it for a success if the disk had room
 * for a part of what was written, and takes nothing any more after an error.
 */
function regularFile(stream: OutputStream): number | undefined {
  try {
    return stream.fd !== undefined && fstatSync(stream.fd).isFile() ? stream.fd : undefined
  } catch {
    return undefined
  }
}

/** True when the reader has ended. This can't be fixed, and it must not stop a push. */
function isClosedStream(error: Error, stream: OutputStream): boolean {
  const code = errnoOf(error)
  return code === 'EPIPE' || code === 'EOF' || code === 'ECONNRESET' || (code === 'EIO' && stream.isTTY === true)
}

/** The error of a command whose output was lost. */
export function lostOutput(failure: Error): AppError {
  const isFull = isFullDisk(failure)
  return new AppError(isFull ? 'quota' : 'io', `The output can't be written: ${messageOf(failure)}.`, {
    hint: `${isFull ? 'Free some space there, or write' : 'Write'} to another place, and run the same command again.`,
    cause: failure,
  })
}
