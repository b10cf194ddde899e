export function Sign({ size = 24 }: { size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden="true">
      <rect width="32" height="32" rx="8" fill="#0b5f7a" />
      <path
        d="M21 9.5c-1-2-3-3-5-3-2.8 0-4.8 1.7-4.8 4 0 5 10 5.2 10 10.6 0 2.6-2.3 4.4-5.2 4.4-2.4 0-4.4-1.2-5.3-3.3M24 7 8 25"
        fill="none"
        stroke="#fff"
        strokeWidth="2.6"
        strokeLinecap="round"
      />
      <circle cx="9.5" cy="15" r="1.7" fill="#fff" />
      <circle cx="22.5" cy="17" r="1.7" fill="#fff" />
    </svg>
  );
}
