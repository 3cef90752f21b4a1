// The main job against Drive's protocol: starts the emulator, pushes sample data to drive: and pulls it back on
// "another machine".
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { startDriveEmulator } from '../test/drive-emulator/emulator.ts'
import { assertEqual, makeSampleData, runIn } from './demo-data.ts'

const folder = mkdtempSync(join(tmpdir(), 'colab-escape-drive-'))
const emulator = await startDriveEmulator({ profile: process.argv.includes('--fast') ? {} : 'colab' })
try {
  console.log(`A Drive emulator listens at ${emulator.url}: the protocol is Drive's, the account is not.`)
  const { accessToken } = emulator.issueToken()
  const environment = { COLAB_ESCAPE_GOOGLE_ENDPOINT: emulator.url, COLAB_ESCAPE_TOKEN: accessToken, COLAB_ESCAPE_STORE: 'drive:' }
  const laptop = runIn(folder, { ...environment, COLAB_ESCAPE_CACHE: join(folder, 'cache') })
  const colab = runIn(folder, { ...environment, COLAB_ESCAPE_CACHE: join(folder, 'other-cache') })
  const data = makeSampleData(folder)
  await laptop('push', 'data', '-m', 'first version', '--verbose')
  await laptop('push', 'data', '--verbose')
  await colab('pull', 'data', 'restored', '--verbose')
  await colab('log')
  assertEqual(data, join(folder, 'restored'))
  console.log('\nThe restored copy equals the source, byte for byte.')
} finally {
  await emulator.close()
  rmSync(folder, { recursive: true, force: true })
}
