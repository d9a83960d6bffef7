using System.Runtime.InteropServices;

namespace Vmm.Host.Sandbox;

/// <summary><c>struct sock_filter</c>: an instruction of the classic Berkeley packet filter (linux/filter.h).</summary>
/// <param name="Code">What it does.</param>
/// <param name="IfTrue">Instructions to skip when a comparison holds.</param>
/// <param name="IfFalse">Instructions to skip when it does not.</param>
/// <param name="Operand">The constant: an offset, a value to compare with, a mask, a verdict.</param>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct BpfInstruction(BpfCode Code, byte IfTrue, byte IfFalse, uint Operand);
