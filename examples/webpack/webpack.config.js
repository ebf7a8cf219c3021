import HtmlWebpackPlugin from "html-webpack-plugin";

const template = "./src/index.html";

export default {
  mode: "production",
  entry: { main: "./src/main.js", "page-mode": "./src/page-mode.js" },
  output: { filename: "[name].[contenthash].js", clean: true },
  plugins: [
    new HtmlWebpackPlugin({ template, filename: "index.html", chunks: ["main"] }),
    new HtmlWebpackPlugin({ template, filename: "page-mode.html", chunks: ["page-mode"] }),
  ],
  // The WebAssembly and the elements are larger than what webpack warns of. Both are loaded once.
  performance: { hints: false },
};
