export { isShadow } from '../core/own-collections.js'
export { SHADOW_KEY } from '../core/shadow-key.js'
