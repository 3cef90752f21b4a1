import { expect, test } from 'vitest'
import { driveStorage, withDrive } from '../helpers/drive.ts'

test.each([{}, { ok: true }, { nextPageToken: 'x' }])('an answer that is no listing, %j, is not taken for an empty folder', answer =>
  withDrive({ behaviours: {} }, async emulator => {
    const between: typeof fetch = async (input, init) => {
      const response = await fetch(input, init)
      const url = input instanceof Request ? input.url : input.toString()
      return /in(?:\+|%20)parents/.test(url) ? Response.json(answer) : response
    }
    await expect(driveStorage(emulator, { fetch: between }).list()).rejects.toMatchObject({ code: 'unavailable' })
    expect((await driveStorage(emulator).list()).objects).toEqual([])
  }),
)

test('a listing that Drive calls incomplete is never taken for the whole', () =>
  withDrive({ behaviours: {} }, async emulator => {
    await driveStorage(emulator).put('config.json', Buffer.from('{}'))
    emulator.drive.conduct.behaviours.incompleteSearchEvery = 1
    const drive = driveStorage(emulator)
    await expect(drive.list()).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('incomplete') as string })
    delete emulator.drive.conduct.behaviours.incompleteSearchEvery
    expect((await drive.list()).objects.map(({ name }) => name)).toEqual(['config.json'])
  }))
