import type * as Snapshots from '../../src/repository/format/snapshot.ts'
import type * as Confirm from '../../src/storage/drive/confirm.ts'
import type * as Ids from '../../src/storage/drive/id-pool.ts'
import type * as Upload from '../../src/storage/drive/upload.ts'
import { AppError, isAppError } from '../../src/util/errors.ts'
import { sha256Hex } from '../../src/util/hash.ts'

/** What is broken now, in the words of the test. */
export interface Broken {
  what: string | undefined
}

export function upload(real: typeof Upload, broken: Broken): typeof Upload {
  class Uploader extends real.Uploader {
    override async upload(...args: Parameters<Upload.Uploader['upload']>): ReturnType<Upload.Uploader['upload']> {
      try {
        const file = await super.upload(...args)
        return broken.what === 'bytes that arrive are not compared with those sent' ? { ...file, sha256: sha256Hex(args[1]) } : file
      } catch (error) {
        if (broken.what !== 'a 409 on an own id is an error' || !isAppError(error, 'conflict')) throw error
        throw new AppError('io', error.message)
      }
    }
  }
  return { ...real, Uploader }
}

export function ids(real: typeof Ids, broken: Broken): typeof Ids {
  class IdPool extends real.IdPool {
    override idFor(key: string, signal?: AbortSignal): Promise<string> {
      if (broken.what === 'each attempt of an upload has an id of its own') this.release(key)
      return super.idFor(key, signal)
    }
  }
  return { ...real, IdPool }
}

export function confirm(real: typeof Confirm, broken: Broken): typeof Confirm {
  return {
    ...real,
    confirmStored: (name, options) => {
      if (broken.what !== 'what a listing does not show is gone') return real.confirmStored(name, options)
      const getFile = (): Promise<never> => Promise.reject(new AppError('not-found', 'it is not listed'))
      const api = Object.assign(Object.create(options.api) as typeof options.api, { getFile })
      return real.confirmStored(name, { ...options, api })
    },
  }
}

export function snapshot(real: typeof Snapshots, broken: Broken): typeof Snapshots {
  return { ...real, isLate: found => broken.what !== 'a late push does not look again' && real.isLate(found) }
}
