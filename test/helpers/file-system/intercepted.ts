import type { FileHandle } from 'node:fs/promises'
import { realFileSystem, type FileSystem } from '../../../src/util/file-system.ts'

/**
 * A call of the file system. `path`: that of an open file if the call takes a descriptor. Paths through /proc/self/fd
 * are given as those of what is open.
 */
export interface Call {
  /** Without `Sync`: `open`, `write`, `fsync`, ... */
  name: string
  path: string
  args: readonly unknown[]
}

export interface Interceptor {
  /** Called before the call is made. What it throws is the call's error. A `close` that fails has closed the file. */
  before?: (call: Call) => void
  /** Called when the call has succeeded. */
  after?: (call: Call, result: unknown) => void
  /** Leaves out the real syncs, which take most of the time of a test. */
  skipsSyncs?: boolean
}

const TAKES_DESCRIPTOR = new Set(['close', 'fchmod', 'fstat', 'fsync', 'ftruncate', 'futimes', 'write'])
const TAKES_TWO_PATHS = new Set(['rename', 'symlink'])
const HANDLE_CALLS: Readonly<Record<string, string>> = {
  close: 'close',
  read: 'read',
  readFile: 'read',
  stat: 'fstat',
  sync: 'fsync',
  write: 'write',
  writeFile: 'write',
}

type Function = (...args: unknown[]) => unknown

/** The disks of this machine, with an interceptor at every call. */
export function intercepted({ before, after, skipsSyncs = false }: Interceptor): FileSystem {
  const paths = new Map<unknown, string>()
  const real = realFileSystem as unknown as Record<string, Function>
  const files = realFileSystem.promises as unknown as Record<string, Function>
  const plainPath = (path: unknown): string =>
    String(path).replace(/^\/proc\/self\/fd\/(\d+)/, (held, fd: string) => paths.get(Number(fd)) ?? held)
  const callOf = (name: string, args: readonly unknown[]): Call => ({
    name,
    path: TAKES_DESCRIPTOR.has(name) ? paths.get(args[0])! : plainPath(args[0]),
    args: TAKES_TWO_PATHS.has(name) ? [args[0], plainPath(args[1])] : args,
  })

  const sync = (name: string): Function => {
    const plain = name.replace(/Sync$/, '')
    return (...args) => {
      const call = callOf(plain, args)
      try {
        before?.(call)
      } catch (error) {
        if (plain === 'close') real[name]!(...args)
        throw error
      }
      const result = real[name]!(...args)
      if (plain === 'open') paths.set(result, call.path)
      after?.(call, result)
      return result
    }
  }

  const fsync: Function = (fd, callback) => {
    const call = callOf('fsync', [fd])
    const done = callback as (error: unknown) => void
    const end = (error: unknown): void => {
      if (!error) after?.(call, undefined)
      done(error)
    }
    try {
      before?.(call)
    } catch (error) {
      setImmediate(end, error)
      return
    }
    if (skipsSyncs) setImmediate(end)
    else real.fsync!(fd, end)
  }

  const handleOf = (handle: FileHandle, path: string): FileHandle =>
    new Proxy(handle, {
      get(target, property) {
        const value = Reflect.get(target, property, target) as unknown
        if (typeof value !== 'function') return value
        const method = value.bind(target) as Function
        const name = HANDLE_CALLS[String(property)]
        if (name === undefined) return method
        return async (...args: unknown[]) => {
          const call: Call = { name, path, args: [handle.fd, ...args] }
          try {
            before?.(call)
          } catch (error) {
            if (name === 'close') await method(...args)
            throw error
          }
          const result = name === 'fsync' && skipsSyncs ? undefined : await method(...args)
          after?.(call, result)
          return result
        }
      },
    })

  const promised =
    (name: string): Function =>
    async (...args) => {
      const call = callOf(name, args)
      before?.(call)
      const result = await files[name]!(...args)
      after?.(call, result)
      return name === 'open' ? handleOf(result as FileHandle, call.path) : result
    }

  const promises = new Proxy({}, { get: (_, name) => promised(String(name)) })
  return new Proxy({}, { get: (_, name) => (name === 'promises' ? promises : name === 'fsync' ? fsync : sync(String(name))) }) as FileSystem
}
