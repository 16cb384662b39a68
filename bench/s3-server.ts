// The S3 server of the tests as a process of its own: prints its address and credentials, ends with its parent.
import { FakeS3 } from '../test/helpers/fake-s3.js'

const fake = await FakeS3.start({ buckets: ['bench'] })
console.log(JSON.stringify({ endpointUrl: fake.endpoint, ...fake.credentials }))
// What arrived is kept for tests; here it would only fill the memory.
setInterval(() => fake.requests.splice(0), 100)
process.stdin.resume().once('end', () => process.exit(0))
