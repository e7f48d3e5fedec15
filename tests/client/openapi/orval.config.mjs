export default {
  trivet: {
    input: { target: "./generated/openapi.json", validation: false },
    output: { target: "./generated/orval.ts", client: "fetch", mode: "single", clean: false },
  },
};
