// What tests get for fast-check (jest.config.js). It tries the same cases each time, so that the suite says the same of
// the same sources; `npm run test:soak` tries others each time, and so does CHROMA_OPS_TEST_SEED with another number. What
// fails is told with the seed.
import fc from '../../node_modules/fast-check/lib/fast-check.js'

fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: Number(process.env.CHROMA_OPS_TEST_SEED ?? 1) })

export default fc
export * from '../../node_modules/fast-check/lib/fast-check.js'
