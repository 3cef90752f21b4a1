/** Calls `use` as if this were another system, as far as `process.platform` tells. */
export async function onPlatform<T>(platform: NodeJS.Platform, use: () => Promise<T>): Promise<T> {
  const real = Object.getOwnPropertyDescriptor(process, 'platform')!
  Object.defineProperty(process, 'platform', { ...real, value: platform })
  try {
    return await use()
  } finally {
    Object.defineProperty(process, 'platform', real)
  }
}
