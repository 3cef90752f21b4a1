import { expect, test } from 'vitest'
import { driveStorage, withDrive } from '../helpers/drive.ts'

test('a listing that Drive calls incomplete is never taken for the whole', () =>
  withDrive({ behaviours: {} }, async emulator => {
    await driveStorage(emulator).put('config.json', Buffer.from('{}'))
    emulator.drive.conduct.behaviours.incompleteSearchEvery = 1
    const drive = driveStorage(emulator)
    await expect(drive.list()).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('incomplete') as string })
    delete emulator.drive.conduct.behaviours.incompleteSearchEvery
    expect((await drive.list()).objects.map(({ name }) => name)).toEqual(['config.json'])
  }))
