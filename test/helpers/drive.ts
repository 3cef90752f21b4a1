import { test } from 'vitest'
import { DriveStorage, type DriveStorageOptions } from '../../src/storage/drive/drive-storage.ts'
import { timelessPatience } from './patience.ts'
import { startDriveEmulator, type DriveEmulator, type EmulatorOptions } from '../drive-emulator/emulator.ts'

/**
 * For tests that count requests, look at one certain failure, use the store alone, which repeats nothing, or depend on
 * times that pass as they do elsewhere: a Drive that behaves as the real one adds its own.
 */
export const quietDriveOnly = test.skipIf(Boolean(process.env.DRIVE_PROFILE))

export async function withDrive<T>(options: EmulatorOptions, use: (emulator: DriveEmulator) => Promise<T>): Promise<T> {
  const emulator = await startDriveEmulator(options)
  try {
    return await use(emulator)
  } finally {
    await emulator.close()
  }
}

/** A Drive store over the emulator; every instance is a machine of its own. */
export function driveStorage(emulator: DriveEmulator, options: Partial<DriveStorageOptions> = {}): DriveStorage {
  const { accessToken } = emulator.issueToken()
  return new DriveStorage({
    tokens: { getToken: async () => accessToken },
    path: ['colab-escape'],
    baseUrl: emulator.url,
    fetch,
    sleep: async ms => emulator.pass(ms),
    patience: timelessPatience(ms => emulator.pass(ms)),
    ...options,
  })
}
