import { DriveClient, type Answer, type SendOptions } from '../drive-emulator/client.ts'
import { BROWSER_CLIENT_ID, type DriveEmulator } from '../drive-emulator/emulator.ts'

/** What a person does in the browser. It is known everywhere before the next thing happens. */
export class InBrowser extends DriveClient {
  private readonly emulator: DriveEmulator

  constructor(emulator: DriveEmulator, user?: string) {
    super(emulator, { clientId: BROWSER_CLIENT_ID, ...(user === undefined ? {} : { user }) })
    this.emulator = emulator
  }

  override async call(method: string, path: string, options?: SendOptions): Promise<Answer> {
    // folders that a program made a moment ago are there by the time that a person uses them
    this.emulator.drive.conduct.settle()
    const answer = await super.call(method, path, options)
    this.emulator.drive.conduct.settle()
    return answer
  }
}
