/** The icon of the pages. */
export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">
<rect x="2" y="4" width="13" height="10" rx="3" fill="#1a7f37"/>
<rect x="17" y="18" width="13" height="10" rx="3" fill="#cf222e"/>
<path d="M8.500 14v9h6M12 19.500l3.500 3.500-3.500 3.500" fill="none" stroke="#8c959f" stroke-width="2.500"/>
</svg>
`
