using System.Runtime.InteropServices;

namespace Vmm.Host.Sandbox;

/// <summary>A system call with up to five arguments, as <see cref="EveryThread"/>'s machine code reads it: six words.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct ThreadCall(nint Number, nint First, nint Second = 0, nint Third = 0, nint Fourth = 0, nint Fifth = 0)
{
    /// <summary>For this call and these arguments.</summary>
    public static ThreadCall Of(SystemCall call, nint first, nint second = 0, nint third = 0, nint fourth = 0, nint fifth = 0) => new((nint)call, first, second, third, fourth, fifth);
}
