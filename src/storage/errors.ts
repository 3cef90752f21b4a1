import { AppError } from '../util/errors.ts'
import { plural } from '../util/words.ts'
import type { ByteRange } from './storage.ts'

export function badRange(name: string, size: number, range: ByteRange | undefined): AppError {
  const requested =
    range === undefined
      ? 'the whole object was'
      : `${plural(range.length, 'byte')} from ${range.offset} ${range.length === 1 ? 'was' : 'were'}`
  return new AppError('bad-range', `The object ${name} has ${plural(size, 'byte')}, but ${requested} requested.`, {
    hint: 'The object may be truncated: run `colab-escape check` to see what is affected.',
  })
}

export function notFound(name: string, location: string): AppError {
  return new AppError('not-found', `${location} holds no object ${name}.`, {
    hint: 'Run `colab-escape check` to see whether the repository is complete.',
  })
}

export function conflict(name: string, location: string): AppError {
  return new AppError('conflict', `${location} already holds other bytes under the name ${name}.`, {
    hint: 'Nothing was overwritten. Run `colab-escape check --read-data` to see whether the stored object is damaged.',
  })
}

export function readsBackDifferently(name: string, location: string): AppError {
  return new AppError('corrupt', `${name} does not read back as it was written to ${location}.`, {
    hint: 'Push again. If the error stays, check the disk.',
  })
}
